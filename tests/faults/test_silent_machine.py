"""A machine that is cut off or loses its power: its kernel answers nothing, not even a refusal."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("silent_machine.py")
ROOT = Path(__file__).parents[2]
# Ten are promised; the clock of retransmissions is coarse.
SILENCE_ENDS_WITHIN_S = 18


@pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "ip"))),
    reason="making networks takes root, unshare and ip",
)
def test_calls_to_a_silent_machine_fail_within_seconds():
    run = subprocess.run(
        ["unshare", "--net", sys.executable, PROGRAM],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        timeout=120,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    failed_after_s = json.loads(run.stdout)
    assert set(failed_after_s) == {"a call that is sent", "a call that waits", "a new connection"}
    assert max(failed_after_s.values()) < SILENCE_ENDS_WITHIN_S
