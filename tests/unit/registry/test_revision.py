"""The number that tells hosts of changes."""

import asyncio
from threading import Event

from everruns.registry.database import Database
from everruns.registry.revision import Revision
from everruns.storage.memory.registry import MemoryRegistry
from everruns.storage.memory.store import MemoryStore
from tests.waiting import PATIENCE_S, eventually


async def test_changes_at_once_share_a_number_that_is_newer_than_each(monkeypatch):
    advance, begun, released = MemoryRegistry.advance_revision, [], Event()

    def slow(self):
        begun.append(self.revision)
        assert released.wait(PATIENCE_S)
        return advance(self)

    monkeypatch.setattr(MemoryRegistry, "advance_revision", slow)
    database = Database(MemoryStore())
    revision = Revision(database)
    before = revision.number
    first = asyncio.create_task(revision.advance())
    await eventually(lambda: begun)
    # The number that is being stored may be older than these changes.
    later = [asyncio.create_task(revision.advance()) for _ in range(5)]
    await asyncio.sleep(0)
    released.set()
    await asyncio.gather(first, *later)

    assert len(begun) == 2
    assert begun[0] == before < begun[1] < revision.number
    await database.close()
