"""Which tests one process runs, when several processes share a run."""

from collections.abc import Sequence

import pytest
from xdist.scheduler import LoadFileScheduling

# What takes long to start, and the files that use it; a file that is not named here has a start
# of its own.
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
        "tests/e2e/test_graceful_motion.py",
    ),
    "sdk": ("tests/sdk/",),
    "server": (
        "tests/e2e/test_conversations.py",
        "tests/e2e/test_front.py",
        "tests/e2e/test_lifecycle.py",
        "tests/e2e/test_readme.py",
        "tests/e2e/test_violent_ends.py",
    ),
    "world": (
        "tests/faults/test_crash_loop.py",
        "tests/faults/test_forks_beside_kills.py",
        "tests/faults/test_killed_compactions.py",
        "tests/faults/test_killed_mcp_calls.py",
        "tests/faults/test_kills.py",
        "tests/faults/test_long_answers.py",
    ),
}

# They come first: what is long and begins last keeps one process busy alone.
LONG_FILES = (
    "tests/api/test_schemathesis.py",
    "tests/unit/storage/test_journaled_store.py",
    "tests/unit/runtime/test_cluster_model.py",
    "tests/api/test_generated_clients.py",
    "tests/unit/storage/test_many_sessions.py",
    "tests/api/test_documentation.py",
    "tests/unit/providers/test_known_bricks.py",
    "tests/contract/test_transfer.py",
    "tests/contract/test_stores_agree.py",
)


def long_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the tests in the order in which processes take them."""
    return sorted(items, key=lambda item: not item.nodeid.startswith(LONG_FILES))


def group_of(node_id: str) -> str:
    """Return what the tests that one process runs have in common: what they use, or their file."""
    file = node_id.partition("::")[0]
    for name, files in STARTED_ONCE.items():
        if file.startswith(files):
            return name
    return file


class SideBySide(LoadFileScheduling):
    """Gives whole files to a process, and all files that use what is started once to the same."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
