"""Threads for functions that block, of which some never come back."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, TypeVar

Value = TypeVar("Value")


class ThreadsExhausted(Exception):
    """So many functions have not come back that no more are begun."""


class Threads:
    """Runs functions in threads, so many at a time; others wait.

    A thread cannot be ended. Who gives a function up, by cancelling ``run``, leaves its thread
    alone until it comes back by itself, and the next function gets a new one. The threads of an
    executor would be used up by functions that do not return, and with them everything else that
    shares it.

    Args:
        name: Of the threads.
        limit: How many functions run at a time.
        max_abandoned: How many functions that were given up may still be running.
    """

    def __init__(self, name: str, limit: int, max_abandoned: int) -> None:
        self._name = name
        self._slots = asyncio.Semaphore(limit)
        self._max_abandoned = max_abandoned
        self._abandoned: set[Future[Any]] = set()

    async def run(self, function: Callable[[], Value]) -> Value:
        """Return what a function returns, or raise what it raises.

        Raises:
            ThreadsExhausted: Too many functions that were given up are still running.
        """
        async with self._slots:
            self._abandoned = {future for future in self._abandoned if not future.done()}
            if len(self._abandoned) >= self._max_abandoned:
                raise ThreadsExhausted
            future: Future[Value] = Future()
            self._start(function, future)
            try:
                return await asyncio.shield(asyncio.wrap_future(future))
            finally:
                if not future.done():
                    self._abandoned.add(future)

    def _start(self, function: Callable[[], Value], future: Future[Value]) -> None:
        context = copy_context()

        def work() -> None:
            try:
                value = context.run(function)
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                future.set_exception(error)
            else:
                future.set_result(value)

        # Those that never come back must not hold up the end of the process.
        threading.Thread(target=work, name=self._name, daemon=True).start()
