"""How a run of several processes is divided, and what it shows."""

import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.progress import Progress
from tests.side_by_side import LONG_FILES, STARTED_ONCE, StartedOnce, group_of, in_order

ROOT = Path(__file__).parents[2]
# What a test asks for.
ASKED_FOR = re.compile(r"^(?:async )?def test_\w+\(([^)]*)\)", re.MULTILINE)


class Terminal:
    """Keeps what is printed."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def ensure_newline(self) -> None: ...

    def write_line(self, line: str) -> None:
        self.lines.append(line)


def reports(node_id: str, outcome: str, seconds: float) -> Iterator[pytest.TestReport]:
    for when in ("setup", "call", "teardown"):
        said, taken = (outcome, seconds) if when == "call" else ("passed", 0.0)
        yield pytest.TestReport(node_id, ("", 0, ""), {}, said, None, when, duration=taken)


def ordered(names: list[str]) -> list[str]:
    """Return the names of tests in the order in which they run."""
    return [item.nodeid for item in in_order([SimpleNamespace(nodeid=name) for name in names])]


@pytest.mark.parametrize(
    "file", [*LONG_FILES, *(file for files in STARTED_ONCE.values() for file in files)]
)
def test_what_is_named_is_there(file: str):
    assert (ROOT / file).exists()


def test_whoever_uses_the_cluster_of_a_run_does_so_in_the_process_that_has_it():
    users = [
        str(file.relative_to(ROOT))
        for folder in ("tests/ray", "tests/contract")
        for file in (ROOT / folder).rglob("test_*.py")
        if re.search(r"\bray_(runtime|settings)\b|\{request.param\}_runtime", file.read_text())
    ]

    assert len(users) == len(STARTED_ONCE["cluster"])
    assert {group_of(file) for file in users} == {"cluster"}


@pytest.mark.parametrize(
    ("name", "folder", "used", "own"),
    [
        ("database", "tests/faults", r"\bworld_on_postgres: World\b", r"^def world_on_postgres\("),
        ("replicas", "tests/e2e", r"\breplicated: Server\b", r"^def replicated\("),
        ("server", "tests/e2e", r"\b(server: Server|client: httpx\.Client)\b", r"^def server\("),
        ("world", "tests/faults", r"\bworld: World\b", r"^def world\("),
    ],
)
def test_whoever_uses_a_server_of_several_files_is_named(
    name: str, folder: str, used: str, own: str
):
    texts = {str(file.relative_to(ROOT)): file.read_text() for file in (ROOT / folder).glob("*.py")}
    users = [
        file
        for file, text in texts.items()
        if any(re.search(used, asked) for asked in ASKED_FOR.findall(text))
        and not re.search(own, text, re.MULTILINE)
    ]

    assert users
    assert {group_of(user) for user in users} == {name}


def test_tests_of_one_server_stay_together_and_others_go_by_file():
    assert group_of("tests/e2e/test_front.py::test_a") == group_of(
        "tests/e2e/test_readme.py::test_b"
    )
    assert group_of("tests/unit/test_a.py::test_b[x::y]") == "tests/unit/test_a.py"


def test_what_takes_longest_is_run_first_and_all_else_in_its_order():
    names = ["a.py::one", f"{LONG_FILES[1]}::two", "b.py::three", f"{LONG_FILES[0]}::four"]

    assert ordered(names) == [names[1], names[3], names[0], names[2]]


def test_files_that_share_a_start_are_run_one_after_the_other_in_the_order_of_their_list():
    first, second, *_ = STARTED_ONCE["server"]
    names = [f"{second}::one", "a.py::two", f"{first}test_b.py::three", f"{second}::four"]

    assert ordered(names) == [names[2], names[0], names[3], names[1]]


def test_what_is_started_once_ends_and_is_not_used_afterwards():
    once, lives = StartedOnce(), [object(), object()]
    given = [once.start(nullcontext(life)) for life in lives]
    once.check(given)

    once.end()
    again = once.start(nullcontext(object()))

    once.check([again, "else"])
    with pytest.raises(LookupError, match="name it in STARTED_ONCE"):
        once.check(["else", given[1]])


def test_a_file_is_shown_when_its_last_test_has_ended():
    terminal = Terminal()
    progress = Progress(terminal)
    progress.pytest_xdist_node_collection_finished(None, ["a.py::one", "a.py::two", "b.py::one"])
    for report in reports("a.py::one", "passed", 1.0):
        progress.pytest_runtest_logreport(report)
    before = list(terminal.lines)

    for report in reports("a.py::two", "failed", 2.0):
        progress.pytest_runtest_logreport(report)

    assert before == []
    assert terminal.lines == ["     3 s  a.py: 1 passed, 1 failed"]


def test_what_takes_long_is_shown_at_once():
    terminal = Terminal()
    progress = Progress(terminal)
    progress.pytest_xdist_node_collection_finished(None, ["a.py::one", "a.py::two"])

    for report in reports("a.py::one", "passed", 60.0):
        progress.pytest_runtest_logreport(report)

    assert terminal.lines == ["    60 s  call of a.py::one"]
