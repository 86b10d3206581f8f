"""Gates: points that a model's answer or a tool does not pass while a test holds them."""

import asyncio
import threading
from dataclasses import dataclass, field

from tests.waiting import eventually

POLL_S = 0.005
LONGEST_HOLD_S = 120.0


class Gate:
    """A point that is passed freely unless it is held; used from several threads."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self._arrivals = 0

    def hold(self) -> None:
        """Let nobody pass from now on."""
        self._open.clear()

    def open(self) -> None:
        """Let all pass who wait, and all who come."""
        self._open.set()

    async def reached(self, patience_s: float = 30.0) -> None:
        """Return when somebody has come to the gate."""
        await eventually(lambda: self._arrivals, patience_s)

    async def passed(self) -> None:
        """Return when the gate is open.

        Raises:
            TimeoutError: It was held for longer than any test holds one.
        """
        self._arrivals += 1
        async with asyncio.timeout(LONGEST_HOLD_S):
            while not self._open.is_set():
                await asyncio.sleep(POLL_S)


@dataclass
class Gates:
    """The gates of one scenario, by name."""

    _gates: dict[str, Gate] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __getitem__(self, name: str) -> Gate:
        """Return the gate of this name, which is open until it is held."""
        with self._lock:
            return self._gates.setdefault(name, Gate())

    def open_all(self) -> None:
        """Hold nobody any longer."""
        with self._lock:
            for gate in self._gates.values():
                gate.open()
