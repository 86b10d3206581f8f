"""On which event loops the tests of calls run."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

OF_CONNECTIONS = {"test_direct.py", "test_handshake.py", "test_network.py"}


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Ray's processes use uvloop, and commands do not."""
    if item.path.name in OF_CONNECTIONS:
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}
