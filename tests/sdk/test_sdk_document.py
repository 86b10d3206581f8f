"""docs/sdk.md tells of every call of the SDK, and names tests that exist."""

import inspect
import re
from pathlib import Path

from everruns_sdk import AgentClient, Everruns

ROW = re.compile(r"^\| `(\w+\.\w+)` \| .* \| (.*) \| (.*) \|$", re.MULTILINE)
ROOM = Path(__file__).parent
DOCUMENT = (ROOM.parents[1] / "docs" / "sdk.md").read_text()
OF_THE_CLIENT_ITSELF = {"AgentClient.close", "AgentClient.for_end_user"}


def calls_of(owner: type, prefix: str) -> set[str]:
    return {
        f"{prefix}.{name}"
        for name, _ in inspect.getmembers(owner, inspect.isfunction)
        if not name.startswith("_")
    }


def calls_of_the_sdk() -> set[str]:
    calls = calls_of(AgentClient, "AgentClient") - OF_THE_CLIENT_ITSELF
    client = Everruns(api_key="evr_x", base_url="http://nowhere/api")
    for name, _ in inspect.getmembers(Everruns, lambda member: isinstance(member, property)):
        calls |= calls_of(type(getattr(client, name)), name)
    return calls


def test_every_call_has_its_row():
    assert sorted(call for call, _, _ in ROW.findall(DOCUMENT)) == sorted(calls_of_the_sdk())


def test_every_call_that_works_or_is_refused_is_shown_by_a_test():
    tests = set(re.findall(r"def (test_\w+)", "".join(f.read_text() for f in ROOM.glob("*.py"))))

    for call, answer, shown_by in ROW.findall(DOCUMENT):
        if answer in {"works", "501"}:
            assert shown_by.strip("`") in tests, call
