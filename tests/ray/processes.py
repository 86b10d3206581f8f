"""Ends the process of an actor."""

import os
import signal
from typing import Any

import psutil
import ray

from actors.names import NAMESPACE
from tests.waiting import PATIENCE_S


def kill(actor: Any) -> None:
    """Kill an actor's process (SIGKILL) and return when it is gone; Ray starts another.

    ``ray.kill`` only asks for it: the process may still answer for a while.
    """
    process = psutil.Process(ray.get(actor.__ray_call__.remote(_process), timeout=PATIENCE_S))
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)


def kill_named(name: str) -> None:
    """Kill the process of an actor of the runtime; see ``kill``."""
    kill(ray.get_actor(name, namespace=NAMESPACE))


def _process(_actor: object) -> int:
    return os.getpid()
