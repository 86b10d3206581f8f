"""Which tests one process runs, when several processes share a run, and in which order."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TypeVar

import pytest
from xdist.scheduler import LoadFileScheduling

# What takes long to start, and the files that use it, in the order in which they run: one that
# ends it comes last. A file that is not named here has a start of its own.
STARTED_ONCE = {
    "cluster": (
        "tests/ray/test_killed_forks.py",
        "tests/ray/test_kills.py",
        "tests/ray/test_payment.py",
        "tests/ray/test_remote_objects.py",
        "tests/contract/test_runtime.py",
    ),
    "database": (
        "tests/faults/test_lost_database.py",
        "tests/faults/test_slow_database.py",
    ),
    "replicas": (
        "tests/e2e/test_access_tokens_in_logs.py",
        "tests/e2e/test_exported_metrics.py",
        "tests/e2e/test_support_desk.py",
        "tests/e2e/test_doors.py",
        "tests/e2e/test_graceful_motion.py",
    ),
    "server": (
        "tests/sdk/",
        "tests/console/test_killed_processes.py",
        "tests/e2e/test_chat.py",
        "tests/e2e/test_conversations.py",
        "tests/e2e/test_dashboard_on_demand.py",
        "tests/e2e/test_front.py",
        "tests/e2e/test_lifecycle.py",
        "tests/e2e/test_quiet_logs.py",
        "tests/e2e/test_readme.py",
        "tests/e2e/test_terminal.py",
        "tests/e2e/test_violent_ends.py",
    ),
    "world": (
        "tests/faults/test_killed_traces.py",
        "tests/faults/test_crash_loop.py",
        "tests/faults/test_forks_beside_kills.py",
        "tests/faults/test_killed_compactions.py",
        "tests/faults/test_killed_mcp_calls.py",
        "tests/faults/test_kills.py",
        "tests/faults/test_long_answers.py",
        "tests/faults/test_overload.py",
        "tests/faults/test_pauses.py",
        "tests/faults/test_slow_reader.py",
        "tests/faults/test_storm.py",
    ),
}

# They come first: what is long and begins last keeps one process busy alone.
LONG_FILES = (
    "tests/api/test_schemathesis.py",
    "tests/unit/storage/test_journaled_lives.py",
    "tests/unit/runtime/test_cluster_model.py",
    "tests/api/test_generated_clients.py",
    "tests/unit/storage/test_many_sessions.py",
    "tests/api/test_documentation.py",
    "tests/unit/providers/test_known_bricks.py",
    "tests/contract/transfer/",
    "tests/contract/test_stores_agree.py",
)


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the tests in the order in which processes take them."""
    first: dict[str, int] = {}
    for place, item in enumerate(items):
        first.setdefault(group_of(item.nodeid), place)

    def key(item: pytest.Item) -> tuple[bool, int, int]:
        group = group_of(item.nodeid)
        files = STARTED_ONCE.get(group, ())
        places = [place for place, file in enumerate(files) if item.nodeid.startswith(file)]
        return not item.nodeid.startswith(LONG_FILES), first[group], max(places, default=0)

    return sorted(items, key=key)


def group_of(node_id: str) -> str:
    """Return what the tests that one process runs have in common: what they use, or their file."""
    file = node_id.partition("::")[0]
    for name, files in STARTED_ONCE.items():
        if file.startswith(files):
            return name
    return file


Started = TypeVar("Started")


class StartedOnce:
    """What this process has started for the files that it runs now.

    It ends before a file of others runs, because what idles takes time and memory from them.
    """

    def __init__(self) -> None:
        self._running = ExitStack()
        self._started: list[object] = []
        self._ended: list[object] = []

    def start(self, context: AbstractContextManager[Started]) -> Started:
        """Enter a context until the last of the files has run; return what it gives."""
        started = self._running.enter_context(context)
        self._started.append(started)
        return started

    def end(self) -> None:
        """End everything."""
        self._ended += self._started
        self._started.clear()
        self._running.close()

    def check(self, used: Iterable[object]) -> None:
        """Check what a test is about to use.

        Raises:
            LookupError: Some of it has ended, as the test's file is not among those that share it.
        """
        if any(value is ended for value in used for ended in self._ended):
            raise LookupError("This file uses what has ended: name it in STARTED_ONCE.")


started_once = StartedOnce()


class SideBySide(LoadFileScheduling):
    """Gives whole files to a process, and all files that use what is started once to the same."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
