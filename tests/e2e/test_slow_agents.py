"""A server answers before Ray's agents do, however long these take to come up."""

from pathlib import Path

import httpx
import pytest

from bench.prometheus import session_folder, wait
from tests.e2e.conversation import say, start_session
from tests.servers import small_server

UP_WITHIN_S = 300.0
# Runs in each of the server's processes before anything else.
SITECUSTOMIZE = """
import pathlib, sys, time
if any(word.endswith("agent.py") for word in sys.orig_argv):
    while not pathlib.Path({disk!r}).exists():
        time.sleep(0.1)
"""


# It has a start of its own; that the raylet does not wait is shown by `test_companions`.
@pytest.mark.long
def test_a_conversation_needs_none_of_them_and_their_metrics_follow(tmp_path: Path) -> None:
    disk = tmp_path / "disk-is-read"
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "sitecustomize.py").write_text(SITECUSTOMIZE.format(disk=str(disk)))

    with small_server(PYTHONPATH=f"{modules}:{Path.cwd()}") as server:
        noted = session_folder(server) / "logs" / "dashboard_agent.log"
        assert not noted.exists()
        with httpx.Client(base_url=server.address, timeout=60) as client:
            session = start_session(client, default_model_id="simulated/simulated-1")
            assert say(client, session, "Hello.")[-1]["type"] == "session.completed"

        disk.touch()

        wait(noted.exists, UP_WITHIN_S, "The agent did not come up.")
