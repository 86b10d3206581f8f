"""The command line, run to its end in a process of its own."""

import os
import subprocess
import sys


def everruns(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command."""
    return subprocess.run(
        [sys.executable, "-m", "everruns.cli", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


def create_key(data_dir: str, name: str) -> str:
    """Create an API key; return its secret."""
    made = everruns("keys", "create", name, EVERRUNS_DATA_DIR=data_dir)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()
