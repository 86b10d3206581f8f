"""Threads for blocking functions, some of which never return."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, TypeVar

Value = TypeVar("Value")


class ThreadsExhausted(Exception):
    """Too many abandoned functions are still running."""


class Threads:
    """Runs a limited number of functions in threads; others wait.

    A thread cannot be killed. Cancelling ``run`` abandons its thread until the function returns,
    and the next function gets a new thread. In an executor, functions that do not return would use
    up the threads and block everything else that shares it.

    Args:
        name: The threads' name.
        limit: How many functions run at a time.
        max_abandoned: How many abandoned functions may still be running.
    """

    def __init__(self, name: str, limit: int, max_abandoned: int) -> None:
        self._name = name
        self._slots = asyncio.Semaphore(limit)
        self._max_abandoned = max_abandoned
        self._abandoned: set[Future[Any]] = set()

    async def run(self, function: Callable[[], Value]) -> Value:
        """Return what a function returns, or raise what it raises.

        Raises:
            ThreadsExhausted: Too many abandoned functions are still running.
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
            except BaseException as error:  # noqa: BLE001 - re-raised in the caller
                future.set_exception(error)
            else:
                future.set_result(value)

        # Threads that never return must not delay the end of the process.
        threading.Thread(target=work, name=self._name, daemon=True).start()
