"""What the processes below a server use, told apart by what they are."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from bench.server import Server

# The first pattern found in a process's command line says what it is.
ROLES = {
    "registry": r"ray::RegistryActor",
    "session actor": r"ray::SessionActor",
    "API replica": r"ray::ServeReplica|ray::ApiActor",
    "Serve controller": r"ray::ServeController",
    "Serve HAProxy manager": r"ray::HAProxyManager",
    "Serve proxy": r"ray::ProxyActor",
    "HAProxy": r"haproxy -",
    "GCS": r"gcs_server",
    # Its command line names the programs of its workers too.
    "raylet": r"/raylet/raylet",
    "idle Ray worker": r"ray::IDLE|default_worker\.py",
    "dashboard": r"dashboard/dashboard\.py|dashboard-|ray-dashboard",
    "dashboard agent": r"dashboard/agent\.py|DashboardAgent",
    "runtime env agent": r"runtime_env/agent|RuntimeEnvAgent",
    "monitor": r"autoscaler/.*monitor\.py",
    "log monitor": r"log_monitor\.py",
    "starter": r"everruns\.cli|bench\.limits\.empty",
}


@dataclass(frozen=True)
class Usage:
    """What one process has used.

    Attributes:
        role: What it is.
        cpu_s: CPU seconds since it began.
        memory_mb: Private memory (USS).
    """

    role: str
    cpu_s: float
    memory_mb: float


def role_of(command: str) -> str:
    """Tell from a command line what a process is; one that is unknown keeps its words."""
    for role, pattern in ROLES.items():
        if re.search(pattern, command):
            return role
    return re.sub(r"^\S*/", "", command)[:40]


def usages(server: Server, *, memory: bool = True) -> dict[int, Usage]:
    """Return what each process of a server has used, by process id.

    Args:
        server: The server.
        memory: Whether private memory is looked up; that takes a millisecond of each process.
    """
    found: dict[int, Usage] = {}
    for process in [server.process, *server.process.children(recursive=True)]:
        try:
            with process.oneshot():
                times = process.cpu_times()
                size = process.memory_full_info().uss / 1e6 if memory else 0.0
                command = " ".join(process.cmdline()) or process.name()
        except psutil.NoSuchProcess:
            continue
        found[process.pid] = Usage(role_of(command), times.user + times.system, size)
    return found


def cpu_by_role(before: Mapping[int, Usage], after: Mapping[int, Usage]) -> dict[str, float]:
    """Return the CPU seconds between two looks, most first.

    A process that ended in between is left out, and one that began counts from its beginning.
    """
    spent: dict[str, float] = {}
    for pid, usage in after.items():
        earlier = before[pid].cpu_s if pid in before else 0.0
        spent[usage.role] = spent.get(usage.role, 0.0) + usage.cpu_s - earlier
    return dict(sorted(spent.items(), key=lambda item: -item[1]))


def memory_by_role(found: Mapping[int, Usage]) -> dict[str, tuple[int, float]]:
    """Return how many processes of each role there are and their memory in MB, most first."""
    sizes: dict[str, tuple[int, float]] = {}
    for usage in found.values():
        count, size = sizes.get(usage.role, (0, 0.0))
        sizes[usage.role] = count + 1, size + usage.memory_mb
    return dict(sorted(sizes.items(), key=lambda item: -item[1][1]))


def total_memory_mb(found: Mapping[int, Usage]) -> float:
    """Return the private memory of all."""
    return sum(usage.memory_mb for usage in found.values())


def wait_for_session_actors(server: Server, count: int = 1, timeout_s: float = 120.0) -> None:
    """Return when so many session actors are up.

    Raises:
        TimeoutError: They are not.
    """
    deadline = time.monotonic() + timeout_s
    while _count(server, "session actor") < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count} session actors did not come up.")
        time.sleep(0.25)


def wait_for_rest(server: Server, cores: float = 0.15, timeout_s: float = 60.0) -> None:
    """Return when a server has done what it still does after its start, or the time is over."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        before = server.cpu_s()
        time.sleep(2)
        if (server.cpu_s() - before) / 2 < cores:
            return


def _count(server: Server, role: str) -> int:
    return sum(usage.role == role for usage in usages(server, memory=False).values())
