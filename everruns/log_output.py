"""Writing lines of the log: those that say how things went are gathered for a moment.

A write for each line costs more than the line itself, because in a worker of Ray it wakes a thread
that copies what is written to a file. What is gathered is encoded together, too: code that has just
run takes a fraction of the time.
"""

import asyncio
import atexit
import threading
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from everruns.gathering import GATHER_S, MAX_GATHERED

Line = Mapping[str, Any]
"""The fields of a line."""


class GatheringLogger:
    """Writes to a stream, the last of ``structlog``'s steps.

    Lines of the levels ``debug`` and ``info`` are written within ``GATHER_S`` seconds where an
    event loop runs; those of higher levels at once, and all of them where none does. The order of
    lines is kept. The fields of a line are encoded when it is written, so they must not change.

    Args:
        stream: Where lines go.
        encode: Returns the text of a line, and raises nothing.
    """

    def __init__(self, stream: TextIO, encode: Callable[[Line], str]) -> None:
        self._stream = stream
        self._encode = encode
        self._lines: list[Line] = []
        # The garbage collector may end an object that logs while a line is encoded.
        self._lock = threading.RLock()
        # The event loop that is going to write what is gathered.
        self._writing_on: asyncio.AbstractEventLoop | None = None
        atexit.register(self.flush)

    def info(self, line: Line) -> None:
        """Write a line soon."""
        with self._lock:
            self._lines.append(line)
            is_full = len(self._lines) >= MAX_GATHERED
            if self._is_awaited and not is_full:
                return
        loop = _running_loop()
        if loop is None or is_full:
            self.flush()
        else:
            self._writing_on = loop
            loop.call_later(GATHER_S, self.flush)

    def error(self, line: Line) -> None:
        """Write a line now, and those before it."""
        with self._lock:
            self._lines.append(line)
        self.flush()

    debug = info
    warning = error
    critical = error

    @property
    def _is_awaited(self) -> bool:
        """Whether an event loop is going to write what is gathered."""
        return self._writing_on is not None and not self._writing_on.is_closed()

    def flush(self) -> None:
        """Write what was gathered."""
        with self._lock:
            lines, self._lines, self._writing_on = self._lines, [], None
            if lines:
                self._stream.write("".join([f"{self._encode(line)}\n" for line in lines]))
                self._stream.flush()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
