"""The README's walk-through does what it says, as printed."""

import os
import re
import subprocess
from pathlib import Path

from bench.server import Server

ROOT = Path(__file__).parents[2]


def test_the_walk_through_shows_a_turn_with_a_tool_call(server: Server) -> None:
    readme = (ROOT / "README.md").read_text()
    walk = re.search(r"<!-- walk -->\n```bash\n(.*?)```", readme, re.DOTALL)
    assert walk is not None

    done = subprocess.run(
        ["bash", "-u", "-c", walk[1]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "BASE": server.address},
    )

    events = re.findall(r"^event: (\S+)", done.stdout, re.MULTILINE)
    assert [event for event in events if event != "message.delta"] == [
        "connected",
        "message.created",
        "session.started",
        "message.created",
        "tool.call",
        "tool.result",
        "message.created",
        "session.completed",
    ], done.stderr
    assert "19 and 23 make 42." in done.stdout
