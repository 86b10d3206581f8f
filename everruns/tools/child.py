"""The child's side of ``child_processes``: a process that runs functions until it is idle.

Its memory is limited, and so is the time of each function. It starts with an empty environment and
has no secrets.
"""

import os
import resource
import select
import struct
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import BinaryIO

MAX_MEMORY_BYTES = 1024 * 1024 * 1024
IDLE_TIMEOUT_S = 30.0
# Turns of sessions go first where processors are scarce.
NICENESS = 10
STARTED, ANSWERED, FAILED = b"S", b"A", b"F"

Function = Callable[[Iterator[bytes]], bytes]

_LENGTH = struct.Struct("!q")
_NO_MORE = -1


def write_frame(stream: BinaryIO, frame: bytes) -> None:
    """Write bytes as a frame with their length."""
    stream.write(_LENGTH.pack(len(frame)))
    stream.write(frame)


def write_end(stream: BinaryIO) -> None:
    """Mark the end of the frames."""
    stream.write(_LENGTH.pack(_NO_MORE))
    stream.flush()


def read_frame(stream: BinaryIO, max_bytes: int | None = None) -> bytes | None:
    """Return the next frame, or ``None`` after the last one.

    Raises:
        EOFError: The stream ended, or the frame is longer than ``max_bytes``.
    """
    header = stream.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(header)
    if length == _NO_MORE:
        return None
    if max_bytes is not None and length > max_bytes:
        raise EOFError
    frame = stream.read(length)
    if len(frame) < length:
        raise EOFError
    return frame


def _frames(stream: BinaryIO) -> Iterator[bytes]:
    while (frame := read_frame(stream)) is not None:
        yield frame


def _named(function_name: str) -> Function:
    module, _, name = function_name.partition(":")
    function: Function = getattr(import_module(module), name)
    return function


def _run(function: Function, frames: Iterator[bytes]) -> bytes:
    try:
        return ANSWERED + function(frames)
    except Exception as error:  # noqa: BLE001 - reported to the caller, by name only
        return FAILED + type(error).__name__.encode()


def _limit_cpu(seconds: float) -> None:
    """Limit the time of one function, in case the parent is gone and cannot kill it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def main() -> None:
    """Run functions until the parent hangs up or sends nothing for a while."""
    os.nice(NICENESS)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    # Output of a function must not mix with the answers.
    sys.stdout = sys.stderr
    while select.select([requests], [], [], IDLE_TIMEOUT_S)[0]:
        try:
            name, seconds, memory_bytes = (read_frame(requests) or b"").decode().split(" ")
        except EOFError:
            return
        # Before it has started: its time is for its work.
        function = _named(name)
        _limit_cpu(float(seconds))
        resource.setrlimit(resource.RLIMIT_AS, (int(memory_bytes), int(memory_bytes)))
        answers.write(STARTED)
        answers.flush()
        frames = _frames(requests)
        answer = _run(function, frames)
        # A function may return before it has read all frames.
        for _ in frames:
            pass
        write_frame(answers, answer)
        answers.flush()


if __name__ == "__main__":
    main()
