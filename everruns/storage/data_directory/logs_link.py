"""The link in a data directory to the logs of its newest server."""

import os
from pathlib import Path

LINK = "logs"


def logs_link(data_dir: Path) -> Path:
    """Return where the link is; it is there once a server has been started."""
    return data_dir / LINK


def link_logs(data_dir: Path, folder: str) -> None:
    """Let the link point to the logs of the server that is starting.

    Raises:
        OSError: It cannot be made.
    """
    new = data_dir / f"{LINK}.new"
    new.unlink(missing_ok=True)
    new.symlink_to(folder)
    os.replace(new, logs_link(data_dir))  # noqa: PTH105 - in one step
