"""A checkout of this project: the one that measures, or another version of its server."""

import os
import subprocess
import sys
from argparse import ArgumentTypeError
from dataclasses import dataclass
from pathlib import Path

# Each version fills a data directory with its own code: one does not open what a newer one wrote.
FILL = """
import sys
from pathlib import Path
from bench.filled import fill

filled = fill(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
filled.store.close()
print()
print(filled.long_session_id)
"""


@dataclass(frozen=True)
class Checkout:
    """A version of the server to measure, run in this process's environment of packages.

    Attributes:
        path: Its root folder.
    """

    path: Path

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.path.name

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which Python, in its root folder, imports this version."""
        return {"PYTHONPATH": str(self.path)}

    def fill(self, data_dir: Path, sessions: int, long_events: int) -> str:
        """Make a data directory with so many short sessions and one long one.

        Returns:
            The id of the long session.
        """
        program = [sys.executable, "-c", FILL, str(data_dir), str(sessions), str(long_events)]
        printed = subprocess.run(
            program,
            cwd=self.path,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            check=True,
        )
        return printed.stdout.decode().split()[-1]


def read_checkout(path: str) -> Checkout:
    """Return the checkout at a path.

    Raises:
        ArgumentTypeError: There is none.
    """
    root = Path(path).resolve()
    if not (root / "serve_app.py").exists():
        raise ArgumentTypeError(f"{path} is not a checkout of this project")
    return Checkout(root)


HERE = Checkout(Path(__file__).parents[1])
