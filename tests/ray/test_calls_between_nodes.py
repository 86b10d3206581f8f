"""A session on another node than the replica, which has never met its host, while the GCS is away.

``tests.ray.two_nodes`` has the cluster: this process may have joined another one.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest

pytest.importorskip("ray")

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 380


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, Any]]:
    """What was found out."""
    # Ray notes in its folder which cluster was started last, and others would join that.
    with TemporaryDirectory(prefix="nodes_", dir="/tmp") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.ray.two_nodes", folder],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "RAY_TMPDIR": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            printed, errors = process.communicate(timeout=TIMEOUT_S)
        finally:
            if process.poll() is None:
                for started in psutil.Process(process.pid).children(recursive=True):
                    started.kill()
                process.kill()
        assert printed, errors
        yield json.loads(printed.splitlines()[-1])


def test_the_session_is_on_another_node_and_placement_says_where(found: dict[str, Any]):
    assert found["host"] == "session-actor-0"
    assert found["host_is_far"]


def test_its_host_calls_the_registry_over_tls_and_the_replica_does_over_the_file(
    found: dict[str, Any],
):
    assert found["calls_of_the_registry"] == ["file", "tls"]


def test_a_host_that_was_never_met_is_reached_while_the_gcs_is_away(found: dict[str, Any]):
    assert not found["known_before"]
    assert found["said"] == "Hello from afar."
    assert found["call"] == "tls"
