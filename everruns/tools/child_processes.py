"""Running functions that may never end, or use up all memory, in isolation.

Library code that works on hostile input cannot be interrupted from within: it holds the
interpreter, and with it every session of the process. So it runs in a child process, which is
killed when it times out.
"""

import atexit
import os
import subprocess
import sys
from asyncio import CancelledError, get_running_loop
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from threading import Lock, Timer
from typing import BinaryIO, cast

from everruns.domain.base import MIB
from everruns.tools.child import (
    ANSWERED,
    MAX_MEMORY_BYTES,
    STARTED,
    Function,
    read_frame,
    write_end,
    write_frame,
)

MAX_ANSWER_BYTES = 16 * MIB
MAX_WAITING = 32
PIPE_BYTES = MIB
START_TIMEOUT_S = 30.0
CONVERSIONS = 2
# Children are replaced now and then, so that leaks do not grow.
MAX_RUNS = 200


class ChildFailure(Exception):
    """A function gave no answer."""


class ChildTimedOut(ChildFailure):
    """The function timed out; its process was killed."""


class ChildFailed(ChildFailure):
    """The function raised, used too much memory or ended its process."""


class ChildrenBusy(ChildFailure):
    """Too many functions are already waiting for a process."""


class _Child:
    """A process and the pipes to it."""

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self.runs = 0
        self.timed_out = False
        self._process = subprocess.Popen(
            # Without -P the working directory would come first in the search path.
            [sys.executable, "-P", "-m", "everruns.tools.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # With the usual pipes of 64 KiB, large files would take a thousand round trips.
            pipesize=PIPE_BYTES,
            # Nothing else of the environment, because it contains keys.
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            # Signals from the terminal are meant for the server.
            start_new_session=True,
        )
        self.requests = cast("BinaryIO", self._process.stdin)
        self.answers = cast("BinaryIO", self._process.stdout)

    def starts(self, function: Function, timeout_s: float) -> bool:
        """Request a function; return whether the process was alive to receive it."""
        called = f"{function.__module__}:{function.__qualname__}"
        request = f"{called} {timeout_s} {self._memory_bytes}"
        with suppress(OSError), self._killed_after(START_TIMEOUT_S):
            write_frame(self.requests, request.encode())
            self.requests.flush()
            return self.answers.read(1) == STARTED
        return False

    def run(self, frames: Iterable[bytes], timeout_s: float) -> bytes:
        """Send the started function its frames, and return its answer."""
        self.runs += 1
        with self._killed_after(timeout_s):
            for frame in frames:
                write_frame(self.requests, frame)
            write_end(self.requests)
            answer = read_frame(self.answers, MAX_ANSWER_BYTES) or b""
        if not answer.startswith(ANSWERED):
            raise ChildFailed(answer[1:].decode("ascii", "replace"))
        return answer[1:]

    @contextmanager
    def _killed_after(self, seconds: float) -> Generator[None]:
        """Kill the process if the block takes longer, which closes its pipes."""

        def expire() -> None:
            self.timed_out = True
            self._process.kill()

        timer = Timer(seconds, expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def kill(self) -> None:
        """Kill the process, whatever it is doing."""
        self._process.kill()

    def end(self) -> None:
        """End the process and close the pipes to it."""
        self._process.kill()
        self.answers.close()
        # Unwritten data may remain, but the reader is gone.
        with suppress(BrokenPipeError):
            self.requests.close()
        self._process.wait()


class _Run:
    """A function's run, which its caller may give up at any moment."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._child: _Child | None = None
        self._is_given_up = False

    @contextmanager
    def by(self, child: _Child) -> Generator[None]:
        """Name the process that carries it out for the length of the block.

        Raises:
            ChildFailed: It has been given up.
        """
        with self._lock:
            if self._is_given_up:
                raise ChildFailed("it was given up")
            self._child = child
        try:
            yield
        finally:
            with self._lock:
                self._child = None

    def give_up(self) -> None:
        """End the process that carries it out."""
        with self._lock:
            self._is_given_up = True
            if self._child is not None:
                self._child.kill()


class ChildProcesses:
    """A few processes that run functions, started on demand.

    A process that is idle for half a minute ends by itself.

    Args:
        count: How many functions run at a time; others wait.
        memory_bytes: Address space of each process.
    """

    def __init__(self, count: int, memory_bytes: int = MAX_MEMORY_BYTES) -> None:
        self._memory_bytes = memory_bytes
        self._threads = ThreadPoolExecutor(count, "child-process")
        self._lock = Lock()
        self._idle: list[_Child] = []
        self._waiting = 0
        self._closed = False

    async def run(self, function: Function, frames: Iterable[bytes], timeout_s: float) -> bytes:
        """Run a function on frames of bytes and return its result.

        When the caller is cancelled, the process is killed.

        Args:
            function: A module-level function, which the child imports by name. It need not read
                all frames.
            frames: Its input. They are iterated in a thread while the function runs, so they can
                be read on the fly and need not all be in memory.
            timeout_s: Seconds that it may take from its start.

        Raises:
            ChildTimedOut: It timed out.
            ChildFailed: It raised, used too much memory or ended its process.
            ChildrenBusy: Too many functions are waiting.
        """
        if self._waiting >= MAX_WAITING:
            raise ChildrenBusy
        self._waiting += 1
        run = _Run()
        try:
            return await get_running_loop().run_in_executor(
                self._threads, self._run, run, function, frames, timeout_s
            )
        except CancelledError:
            run.give_up()
            raise
        finally:
            self._waiting -= 1

    def _run(
        self, run: _Run, function: Function, frames: Iterable[bytes], timeout_s: float
    ) -> bytes:
        child = self._started(function, timeout_s)
        try:
            with run.by(child):
                answer = child.run(frames, timeout_s)
        except (OSError, EOFError):
            child.end()
            raise ChildTimedOut if child.timed_out else ChildFailed from None
        except BaseException:
            child.end()
            raise
        self._put_back(child)
        return answer

    def _started(self, function: Function, timeout_s: float) -> _Child:
        """Return a child in which a function has been started."""
        while True:
            with self._lock:
                idle = self._idle.pop() if self._idle else None
            child = idle or _Child(self._memory_bytes)
            if child.starts(function, timeout_s):
                return child
            # An idle process may have ended in the meantime.
            child.end()
            if idle is None:
                raise ChildFailed("it does not start")

    def _put_back(self, child: _Child) -> None:
        with self._lock:
            if not self._closed and not child.timed_out and child.runs < MAX_RUNS:
                self._idle.append(child)
                return
        child.end()

    def close(self) -> None:
        """End the processes; a running function ends at its timeout."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for child in idle:
            child.end()
        self._threads.shutdown(wait=False, cancel_futures=True)


@cache
def converters() -> ChildProcesses:
    """Return this process's children for converting documents."""
    children = ChildProcesses(CONVERSIONS)
    atexit.register(children.close)
    return children
