"""What may be called from another process is declared where it is."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from everruns.registry.agents import Agents
from everruns.registry.budgets import Budgets
from everruns.registry.files import Files
from everruns.registry.hosting import Hosting
from everruns.registry.keys import ApiKeys
from everruns.registry.logs import Logs
from everruns.registry.providers import Providers
from everruns.registry.registry import Registry
from everruns.registry.sessions import Sessions
from everruns.registry.workspaces import Workspaces
from everruns.remote import Repeat, declared, remote
from everruns.runtime.host import SessionHost

ROOT = Path(__file__).parents[2]
# By the name under which they are used elsewhere.
ROOMS: dict[str, type] = {
    "agents": Agents,
    "budgets": Budgets,
    "files": Files,
    "hosting": Hosting,
    "host": SessionHost,
    "keys": ApiKeys,
    "logs": Logs,
    "providers": Providers,
    "registry": Registry,
    "sessions": Sessions,
    "workspaces": Workspaces,
}


def called() -> Iterator[tuple[str, str]]:
    """Every room and method of it that is called where the room may be in another process."""
    places = [*(ROOT / "everruns/api").rglob("*.py"), *(ROOT / "everruns/runtime").glob("*.py")]
    for path in [*places, ROOT / "actors/serving/server.py"]:
        # The first two run where the registry is, and the last has everything in one process.
        if path.name in {"watch.py", "reconciler.py", "local.py"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and (room := name_of(node.value)) in ROOMS:
                yield room, node.attr


def name_of(node: ast.expr) -> str:
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name.removeprefix("_")
        case ast.Call(function):
            return name_of(function)
        case _:
            return ""


CALLED = sorted(
    (room, method) for room, method in set(called()) if callable(getattr(ROOMS[room], method, None))
)


@pytest.mark.parametrize(("room", "method"), CALLED, ids=[".".join(call) for call in CALLED])
def test_whatever_is_called_from_another_process_says_whether_it_may_be_repeated(
    room: str, method: str
):
    assert declared(ROOMS[room], method) in Repeat


def test_the_calls_are_found():
    assert {("logs", "append"), ("host", "take"), ("agents", "copy")} <= set(CALLED)


def test_what_is_not_declared_cannot_be_called():
    class Room:
        async def inner(self) -> None:
            """Called in its own process alone."""

    with pytest.raises(AttributeError, match=r"Room\.inner cannot be called"):
        declared(Room, "inner")


@pytest.mark.parametrize("kind", ROOMS.values(), ids=list(ROOMS))
def test_whatever_is_repeated_under_a_key_takes_one(kind: type):
    for name, method in vars(kind).items():
        if getattr(method, "__repeat__", None) is Repeat.KEYED:
            assert "idempotency" in method.__annotations__, name


def test_a_declaration_changes_nothing_but_what_is_known_of_a_method():
    async def method() -> None:
        """Do something."""

    assert remote(Repeat.YES)(method) is method
