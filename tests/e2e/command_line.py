"""The command line, run to its end in a process of its own.

The processes are forks of one that has imported the command already: an import takes most of the
time of a command, and these tests run dozens.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.forks import WIDTH, forked

TIMEOUT_S = 120


def everruns(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command.

    Raises:
        subprocess.TimeoutExpired: It does not end.
    """
    with TemporaryDirectory() as folder:
        stdout, stderr = Path(folder, "stdout"), Path(folder, "stderr")
        variables = {**os.environ, **WIDTH, **environment}
        command = forked(_run, words, variables, stdout, stderr)
        command.join(TIMEOUT_S)
        if command.exitcode is None:
            command.kill()
            command.join()
            raise subprocess.TimeoutExpired(words, TIMEOUT_S, stdout.read_text())
        return subprocess.CompletedProcess(
            words, command.exitcode, stdout.read_text(), stderr.read_text()
        )


def _run(words: tuple[str, ...], variables: Mapping[str, str], stdout: Path, stderr: Path) -> None:
    for number, file in ((1, stdout), (2, stderr)):
        with file.open("wb") as opened:
            os.dup2(opened.fileno(), number)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = ["everruns", *words]
    from everruns.cli import main

    main()


def create_key(data_dir: str, name: str) -> str:
    """Create an API key; return its secret."""
    made = everruns("keys", "create", name, EVERRUNS_DATA_DIR=data_dir)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def by_key(data_dir: str, name: str) -> dict[str, str]:
    """Return the header that brings a new API key."""
    return {"Authorization": f"Bearer {create_key(data_dir, name)}"}
