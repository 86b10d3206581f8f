"""What this process and its machine use."""

import os
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class ProcessUse:
    """What a process uses.

    Attributes:
        pid: Its number on its machine.
        started_ms: When it began, in milliseconds since the epoch.
        memory_bytes: Its resident memory.
        cpu_s: The seconds of CPU that it has used.
    """

    pid: int
    started_ms: int
    memory_bytes: int
    cpu_s: float


@dataclass(frozen=True)
class MachineUse:
    """What a machine uses.

    Attributes:
        load: How many of its threads ran or wanted to run, on average over the last minute.
        memory_bytes: Its memory.
        memory_used_bytes: The part of it that is not available to processes that start.
    """

    load: float
    memory_bytes: int
    memory_used_bytes: int


def own_process() -> ProcessUse:
    """Return what this process uses."""
    process = psutil.Process()
    with process.oneshot():
        times = process.cpu_times()
        memory_bytes: int = process.memory_info().rss
        started_ms = int(process.create_time() * 1000)
    return ProcessUse(os.getpid(), started_ms, memory_bytes, times.user + times.system)


def own_machine() -> MachineUse:
    """Return what this machine uses."""
    memory = psutil.virtual_memory()
    return MachineUse(psutil.getloadavg()[0], memory.total, memory.total - memory.available)
