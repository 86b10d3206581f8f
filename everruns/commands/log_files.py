"""The log files of a server: finding them, and reading them in chronological order.

Ray keeps a file for each life of a process: ``worker-…-PID.err``, and ``.err.1`` and so on for what
was cut off when it grew. They are read line by line and never whole.
"""

import heapq
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from everruns.domain.base import KIB, MIB

# All are open at a time, and a process may often open no more than 1,024.
MAX_FILES = 150
MAX_PARTS = 5
MAX_LINE_BYTES = 256 * KIB
# Of one file, before the others have their turn.
ROUND_BYTES = MIB

_OWNER = re.compile(rb":actor_name:(.{1,200})")
_RAYS_OWN = re.compile(rb":[a-z_]+:")
_OURS = (
    b"RegistryActor",
    b"SessionActor",
    b"AnalystActor",
    b"ApiActor",
    b"ServeReplica:everruns",
    b"LocalModelActor",
)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log.

    Attributes:
        time: RFC 3339 in UTC; for a line that is not JSON, that of the line before it.
        fields: Its fields; for a line that is not JSON, its text as ``text``.
        raw: The line as it is in the file.
    """

    time: str
    fields: dict[str, Any] = field(compare=False)
    raw: bytes = field(compare=False)


def list_log_files(folder: Path) -> list[Path]:
    """Return the files of processes that are written now, those written last at the end.

    Of more than ``MAX_FILES`` these are the newest.
    """
    newest: list[tuple[float, Path]] = []
    for path in folder.glob("worker-*.err"):
        try:
            newest.append((path.stat().st_mtime, path))
        except FileNotFoundError:
            continue
    return [path for _, path in sorted(newest)[-MAX_FILES:]]


class LogFile:
    """Reads the log of one life of a process, through what was cut off and what is still written.

    Args:
        path: The file that is written now.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        self._is_too_long = False
        # Ray writes at the beginning whose file it is, and the beginning may be cut off.
        self._is_ours: bool | None = None
        self._time = ""
        self._open: deque[BinaryIO] = deque()

    def lines(self, max_bytes: int | None = None) -> Iterator[LogLine]:
        """Yield the complete lines that have not been read yet.

        Args:
            max_bytes: About how much is read at most.
        """
        read = 0
        while (max_bytes is None or read < max_bytes) and (block := self._next_block()):
            read += len(block)
            *complete, self._rest = (self._rest + block).split(b"\n")
            for line in complete:
                # The end of a line whose beginning was too long is left out, too.
                if not self._is_too_long and (parsed := self._parsed(line)) is not None:
                    yield parsed
                self._is_too_long = False
            if len(self._rest) > MAX_LINE_BYTES:
                self._rest, self._is_too_long = b"", True

    def close(self) -> None:
        """Close all that is open."""
        while self._open:
            self._open.popleft().close()

    def _next_block(self) -> bytes:
        """Return what comes next, across files; empty if there is nothing more now."""
        while True:
            if not self._open:
                self._open.extend(_opened(self._path))
            if not self._open:
                return b""
            if block := self._open[0].read(64 * KIB):
                return block
            if len(self._open) > 1:
                self._open.popleft().close()
            elif not self._is_left():
                return b""  # Otherwise it is read once more: it may have grown before it was left.

    def _is_left(self) -> bool:
        """Tell whether the file that is open is not the one that is written any more."""
        try:
            current = self._path.stat()
        except FileNotFoundError:
            return False
        if os.path.samestat(os.fstat(self._open[0].fileno()), current):
            return False
        self._open.append(self._path.open("rb"))
        return True

    def _parsed(self, line: bytes) -> LogLine | None:
        """Return a line of ours; ``None`` for what Ray, Serve and others write."""
        if found := _OWNER.match(line):
            self._is_ours = self._is_ours or found[1].startswith(_OURS)
        if not line.strip() or _RAYS_OWN.match(line):
            return None
        fields = _fields_of(line)
        if fields is not None and self._is_ours is not False:
            self._time = fields["timestamp"]
            return LogLine(self._time, fields, line)
        if not self._is_ours:
            return None
        text = line.decode(errors="replace")
        return LogLine(self._time, {"event": "unstructured", "text": text}, line)


def merged(files: Iterable[LogFile]) -> Iterator[LogLine]:
    """Yield what files have now, in chronological order."""
    return heapq.merge(*(one.lines() for one in files), key=lambda line: line.time)


def newest(files: Sequence[LogFile]) -> list[LogLine]:
    """Return what files have gained in chronological order, up to ``ROUND_BYTES`` of each."""
    return sorted(
        (line for one in files for line in one.lines(ROUND_BYTES)), key=lambda line: line.time
    )


def _opened(path: Path) -> Iterator[BinaryIO]:
    """Return a file and what was cut off of it, the oldest first.

    They are opened from the newest on: one that is cut off meanwhile is met again and left out,
    and none is missed.
    """
    opened: list[BinaryIO] = []
    names = [path, *(path.with_name(f"{path.name}.{part}") for part in range(1, MAX_PARTS + 1))]
    for name in names:
        try:
            file = name.open("rb")
        except FileNotFoundError:
            break
        if opened and os.path.sameopenfile(file.fileno(), opened[-1].fileno()):
            file.close()
        else:
            opened.append(file)
    return reversed(opened)


def _fields_of(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(b"{"):
        return None
    try:
        value: Any = orjson.loads(line)
    except ValueError:
        return None
    fields = cast("dict[str, Any]", value)
    is_ours = all(isinstance(fields.get(name), str) for name in ("event", "timestamp", "level"))
    return fields if is_ours else None
