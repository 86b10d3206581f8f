"""Writing backups in the registry, one at a time, for a command that follows it."""

from pathlib import Path
from threading import Event

import pytest

from everruns.errors import Conflict, StoreUnavailable
from everruns.registry.backups import Backups
from everruns.registry.database import Database
from everruns.storage.memory.store import MemoryStore


class SlowStore(MemoryStore):
    """Writes a copy when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = Event()

    def copy_to(self, target: Path) -> None:
        self.may_go_on.wait(30)
        target.touch()


async def test_a_backup_is_followed_until_it_is_done(tmp_path: Path) -> None:
    store = SlowStore()
    backups = Backups(Database(store))

    await backups.begin(tmp_path / "copy")

    assert not await backups.is_done(0)
    with pytest.raises(Conflict, match="Another backup"):
        await backups.begin(tmp_path / "second")
    store.may_go_on.set()
    assert await backups.is_done(30)
    assert (tmp_path / "copy").exists()


async def test_why_a_backup_failed_is_said(tmp_path: Path) -> None:
    backups = Backups(Database(MemoryStore()))

    await backups.begin(tmp_path / "copy")

    with pytest.raises(StoreUnavailable, match="memory"):
        await backups.is_done(30)


async def test_a_restarted_registry_does_not_claim_a_backup() -> None:
    with pytest.raises(Conflict, match="begin again"):
        await Backups(Database(MemoryStore())).is_done(0)
