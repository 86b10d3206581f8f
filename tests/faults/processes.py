"""The server's processes by their roles: which there are, ending them, pausing them."""

import asyncio
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from enum import StrEnum

import psutil

from bench.server import Server, running_server
from tests.waiting import eventually

BACK_WITHIN_S = 60.0
END_WITHIN_S = 10.0


class Role(StrEnum):
    """What a process is for; Ray writes it into its title."""

    SESSION_ACTOR = "session actor"
    REGISTRY = "registry"
    REPLICA = "API replica"
    EVERYTHING = "everything"


TITLES = {
    Role.SESSION_ACTOR: "ray::SessionActor",
    Role.REGISTRY: "ray::RegistryActor",
    Role.REPLICA: ("ray::ServeReplica:everruns:api", "ray::ApiActor"),
}


class Service:
    """A server that is killed and started again on the same data directory.

    Args:
        environment: ``EVERRUNS_*`` and other variables of all its lives.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._running: AbstractContextManager[Server] | None = None
        self._server: Server | None = None

    @property
    def address(self) -> str:
        """Where it answers now; another port after each start."""
        assert self._server is not None
        return self._server.address

    def start(self) -> None:
        """Start it; return when it answers."""
        self._running = running_server(**self._environment)
        self._server = self._running.__enter__()

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._running is not None:
            running, self._running = self._running, None
            running.__exit__(None, None, None)

    def processes(self, role: Role) -> list[psutil.Process]:
        """Return the processes that have a role now."""
        assert self._server is not None
        with suppress(psutil.NoSuchProcess):
            first = self._server.process
            everything = [first, *first.children(recursive=True)]
            if role is Role.EVERYTHING:
                return everything
            return in_role(role, everything)
        return []

    def session_actor_at(self, host: str, port: int) -> psutil.Process:
        """Return the session actor that holds the local end of a connection.

        Raises:
            LookupError: None does.
        """
        return end_of(host, port, self.processes(Role.SESSION_ACTOR))

    async def kill_everything(self) -> None:
        """End every process of the server at once, as a power cut does."""
        everything = self.processes(Role.EVERYTHING)
        kill(*everything)
        await asyncio.to_thread(psutil.wait_procs, everything, END_WITHIN_S)
        self.stop()


def in_role(role: Role, processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return the processes that have a role."""
    return [process for process in processes if _title(process).startswith(TITLES[role])]


def end_of(host: str, port: int, processes: Iterable[psutil.Process]) -> psutil.Process:
    """Return the process that holds the local end of a connection.

    Raises:
        LookupError: None does.
    """
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if any(found.laddr[:2] == (host, port) for found in process.net_connections("tcp")):
                return process
    raise LookupError(f"No process has a connection from {host}:{port}.")


def kill(*processes: psutil.Process) -> None:
    """End processes at once (SIGKILL)."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


async def kill_role(service: Service, role: Role, holder: psutil.Process) -> psutil.Process:
    """Kill what has a role, the holder if that is a session actor; return it (or its first)."""
    if role is Role.EVERYTHING:
        await service.kill_everything()
        return holder
    victim = holder if role is Role.SESSION_ACTOR else service.processes(role)[0]
    kill(victim)
    return victim


async def returned(service: Service, role: Role, victim: psutil.Process) -> float:
    """Return when a role that was killed has a process again, started here if need be.

    A session actor is not waited for: its sessions go on elsewhere.

    Returns:
        The time from which turns can go on, on the monotonic clock.
    """
    if role is Role.EVERYTHING:
        await asyncio.to_thread(service.start)
    elif role is not Role.SESSION_ACTOR:
        await eventually(
            lambda: any(process.pid != victim.pid for process in service.processes(role)),
            BACK_WITHIN_S,
        )
    return time.monotonic()


@contextmanager
def paused(*processes: psutil.Process) -> Iterator[None]:
    """Stop processes where they stand (SIGSTOP), and let them go on after the block (SIGCONT)."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
