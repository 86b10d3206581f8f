"""Simulated time and processes: what runs on them dies, stands still and waits in no time."""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from everruns import ids
from everruns.errors import HostLost

here: ContextVar["Process"] = ContextVar("process")
asked_by: ContextVar["Process | None"] = ContextVar("asking process", default=None)


class SimulatedClock(selectors.SelectSelector):
    """Moves on, instead of waiting, when there is nothing to do."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "nothing will ever happen again"
        ready = super().select(0)
        if not ready:
            self.now += timeout
        return ready


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop on a simulated clock, which does the work of threads itself, one by one.

    Attributes:
        work_s: Says how long a piece of such work takes.
    """

    def __init__(self) -> None:
        self._clock = SimulatedClock()
        super().__init__(self._clock)
        self.work_s: Callable[[], float] = lambda: 0.0
        self._busy_until: dict[int, float] = {}

    def time(self) -> float:
        return self._clock.now

    @contextmanager
    def telling_the_time(self) -> Iterator[None]:
        """Let this clock be the product's too, so that what is due in minutes is due in no time."""
        began_ns = time.time_ns()
        told = SimpleNamespace(time_ns=lambda: began_ns + round(self.time() * 1e9))
        with patch.object(ids, "time", told):
            yield

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        done = self.create_future()
        process = here.get(None)

        def work() -> None:
            if process and process.alive and not process.running.is_set():
                self.call_later(0.1, work)
            elif not process or process.alive:
                try:
                    result = func(*args)
                except Exception as error:  # noqa: BLE001 - whoever waits for it is to know
                    done.cancelled() or done.set_exception(error)
                else:
                    done.cancelled() or done.set_result(result)

        at = max(self.time(), self._busy_until.get(id(executor), 0.0)) + self.work_s()
        self._busy_until[id(executor)] = at
        self.call_at(at, work)
        return done


class Process:
    """One life of a process: its tasks end with it, and nothing leaves it afterwards."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.running = asyncio.Event()
        self.running.set()
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(
        self, work: Coroutine[Any, Any, Any], caller: "Process | None" = None
    ) -> asyncio.Task[Any]:
        """Run a task, and all that it starts, in this process."""
        context = copy_context()
        context.run(here.set, self)
        context.run(asked_by.set, caller)
        return asyncio.get_running_loop().create_task(work, context=context)

    def adopt(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def pass_border(self) -> None:
        """Wait while the process stands still; nothing passes when it is dead."""
        while self.alive and not self.running.is_set():
            await self.running.wait()
        if not self.alive:
            raise HostLost(f"{self.name} is dead.")

    def die(self) -> None:
        self.alive = False
        self.running.set()
        for task in list(self._tasks):
            task.cancel()


def start_in_its_process(loop: Any, work: Any, context: Any = None) -> asyncio.Task[Any]:
    context = context or copy_context()
    task = asyncio.Task(work, loop=loop, context=context)
    if process := context.get(here):
        process.adopt(task)
    return task


def end_with_the_process() -> None:
    process = here.get(None)
    if process and not process.alive:
        raise asyncio.CancelledError
