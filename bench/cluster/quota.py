"""A share of the CPU for some processes together, by the kernel's control groups."""

import os
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PERIOD_US = 100_000
PREFIX = "everruns-"


class Quota:
    """A control group, without a limit at first.

    Args:
        name: Told apart from others of this process.

    Raises:
        OSError: Control groups cannot be made here.
    """

    def __init__(self, name: str) -> None:
        parent = _parent()
        _remove_left_behind(parent)
        self.folder = parent / f"{PREFIX}{os.getpid()}-{name}"
        self.folder.mkdir()

    def limit(self, cpus: float) -> None:
        """Limit how many CPUs' time it may use from now on; 0.2 is a fifth of one."""
        quota_us = str(int(cpus * PERIOD_US))
        if (self.folder / "cpu.max").exists():
            (self.folder / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        else:
            (self.folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self.folder / "cpu.cfs_quota_us").write_text(quota_us)

    def add(self, pid: int) -> None:
        """Put a process into it; what it starts from then on is in it too."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    def words(self) -> list[str]:
        """Return the words before a command that run it in this group."""
        return ["sh", "-c", 'echo 0 > "$0/cgroup.procs"; exec "$@"', str(self.folder)]

    def throttled(self) -> float:
        """Return the share of periods in which its processes had to wait."""
        lines = (self.folder / "cpu.stat").read_text().splitlines()
        values = {name: int(value) for name, value in (line.split() for line in lines)}
        return values["nr_throttled"] / max(1, values["nr_periods"])

    def remove(self) -> None:
        """Remove it, once its processes have ended."""
        with suppress(OSError):
            self.folder.rmdir()


def _parent() -> Path:
    """Return where groups with a limit on CPU time are made: version 2, or 1."""
    if (ROOT / "cgroup.controllers").exists():
        (ROOT / "cgroup.subtree_control").write_text("+cpu")
        return ROOT
    return ROOT / "cpu"


def _remove_left_behind(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not Path(f"/proc/{pid}").exists():
            with suppress(OSError):
                folder.rmdir()
