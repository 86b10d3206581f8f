"""When an API replica is about to stop: Serve tells the replica, but not the application in it.

Serve ends an application's lifespan after the last request, and an event stream is a request that
lasts. So the application has to learn of the stop before Serve begins to wait.
"""

import asyncio
from collections.abc import Callable
from functools import wraps

from ray.serve._private.replica import Replica


def when_draining(end: Callable[[], None]) -> None:
    """Have a function called when Serve begins to stop the replica in this process.

    Serve has no hook for this, so its own method is wrapped, in this process alone. There is one
    replica in a process.

    Args:
        end: Called on the event loop that runs now, which is the application's own.
    """
    loop = asyncio.get_running_loop()
    shut_down = Replica.perform_graceful_shutdown

    @wraps(shut_down)
    async def end_and_shut_down(self: Replica) -> None:
        loop.call_soon_threadsafe(end)
        await shut_down(self)

    Replica.perform_graceful_shutdown = end_and_shut_down
