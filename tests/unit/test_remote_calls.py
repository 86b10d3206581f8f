"""What can be called from another process is declared at the method."""

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
from everruns.remote import CALL_TIMEOUT_S, Declaration, Repeat, declarations, remote
from everruns.runtime.host import SessionHost

ROOT = Path(__file__).parents[2]
# By the name under which they are used elsewhere.
TARGETS: dict[str, type] = {
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
    """Every target and method of it that is called where the target may be in another process."""
    places = [*(ROOT / "everruns/api").rglob("*.py"), *(ROOT / "everruns/runtime").glob("*.py")]
    for path in [*places, ROOT / "actors/serving/starting.py"]:
        # The first two run where the registry is, and the last has everything in one process.
        if path.name in {"watch.py", "reconciler.py", "local.py"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and (target := name_of(node.value)) in TARGETS:
                yield target, node.attr


def name_of(node: ast.expr) -> str:
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name.removeprefix("_")
        case ast.Call(function):
            return name_of(function)
        case _:
            return ""


CALLED = sorted(
    (target, method)
    for target, method in set(called())
    if callable(getattr(TARGETS[target], method, None))
)


@pytest.mark.parametrize(("target", "method"), CALLED, ids=[".".join(call) for call in CALLED])
def test_whatever_is_called_from_another_process_is_declared(target: str, method: str):
    assert method in declarations(TARGETS[target])


def test_the_calls_are_found():
    assert {("logs", "append"), ("host", "take"), ("agents", "copy")} <= set(CALLED)


def test_a_class_declares_how_its_methods_are_called():
    class Target:
        @remote(Repeat.YES)
        async def quick(self) -> None:
            """Called from other processes."""

        @remote(Repeat.NO, timeout_s=60)
        async def slow(self) -> None:
            """Called from other processes, and given more time."""

        async def inner(self) -> None:
            """Called in its own process alone."""

    assert declarations(Target) == {
        "quick": Declaration(Repeat.YES, CALL_TIMEOUT_S),
        "slow": Declaration(Repeat.NO, 60),
    }


@pytest.mark.parametrize("kind", TARGETS.values(), ids=list(TARGETS))
def test_whatever_is_repeated_under_a_key_takes_one(kind: type):
    for name, declared in declarations(kind).items():
        if declared.repeat is Repeat.KEYED:
            assert "idempotency" in getattr(kind, name).__annotations__, name


def test_a_declaration_changes_nothing_but_what_is_known_of_a_method():
    async def method() -> None:
        """Do something."""

    assert remote(Repeat.YES)(method) is method
