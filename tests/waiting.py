"""Waiting for conditions: tests never wait for a time."""

import asyncio
from collections.abc import Callable

PATIENCE_S = 20.0
POLL_S = 0.002


async def eventually(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Return when the condition holds; fail when it does not within the patience."""
    async with asyncio.timeout(patience_s):
        while not condition():
            await asyncio.sleep(POLL_S)
