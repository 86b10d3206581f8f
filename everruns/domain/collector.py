"""Python's garbage collector, kept from work that is in vain."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Generator[None]:
    """Pause garbage collection while only long-lived objects are created.

    The collector would traverse them, and every other object of the process, again and again;
    for a long log that takes as long as the fold itself.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
