"""API keys in the registry."""

import asyncio
from collections.abc import AsyncIterator, Callable
from threading import Event

import pytest

from everruns.domain.keys import LONGEST_NAME, MAX_KEYS, ApiKey, new_api_key
from everruns.errors import Conflict, InvalidRequest, NotFound
from everruns.registry import keys as api_keys
from everruns.registry.database import Database
from everruns.registry.keys import ApiKeys
from everruns.storage.memory.store import MemoryStore
from tests.waiting import eventually


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def keys(store: MemoryStore) -> AsyncIterator[ApiKeys]:
    database = Database(store)
    yield ApiKeys(database)
    await database.close()


def test_a_key_does_not_hold_its_secret():
    key, secret = new_api_key("laptop")

    assert secret.startswith("evr_")
    assert secret.endswith(key.last_four)
    assert secret not in key.model_dump_json()


@pytest.mark.parametrize("name", ["", "x" * (LONGEST_NAME + 1), "two\nlines", "\x1b[2J"])
def test_names_are_short_and_can_be_printed(name: str):
    with pytest.raises(InvalidRequest):
        new_api_key(name)


async def test_keys_are_listed_oldest_first(keys: ApiKeys):
    made = [new_api_key(name)[0] for name in "abc"]
    for key in reversed(made):
        await keys.add(key)

    assert [key.id for key in await keys.list()] == [
        key.id for key in sorted(made, key=lambda key: (key.created_at, key.id))
    ]


async def test_a_key_that_is_added_again_is_there_once(keys: ApiKeys):
    key, _ = new_api_key("laptop")
    await keys.add(key)
    await keys.add(key)

    assert await keys.list() == [key]


async def test_changes_at_once_lose_nothing(keys: ApiKeys):
    old = [new_api_key("old")[0] for _ in range(10)]
    new = [new_api_key("new")[0] for _ in range(10)]
    for key in old:
        await keys.add(key)

    await asyncio.gather(*(keys.revoke(key.id) for key in old), *(keys.add(key) for key in new))

    assert {key.id for key in await keys.list()} == {key.id for key in new}


async def test_an_unknown_key_cannot_be_revoked(keys: ApiKeys):
    with pytest.raises(NotFound):
        await keys.revoke("key_1")


async def test_there_is_a_bound(keys: ApiKeys, store: MemoryStore):
    store.api_keys.put(*(new_api_key("many")[0] for _ in range(MAX_KEYS)))

    with pytest.raises(Conflict):
        await keys.add(new_api_key("one too many")[0])


async def test_a_reader_waits_for_the_next_change(keys: ApiKeys):
    known = await keys.read(None, 0)
    assert known.keys == []
    reading = asyncio.create_task(keys.read(known.revision, 10))
    await asyncio.sleep(0)
    assert not reading.done()

    key, _ = new_api_key("laptop")
    await keys.add(key)

    assert (await reading).keys == [key]


async def test_a_reader_that_knows_all_is_told_nothing(keys: ApiKeys):
    known = await keys.read(None, 0)

    assert await keys.read(known.revision, 0) is None


async def test_a_reader_of_an_earlier_life_is_told_at_once(keys: ApiKeys, store: MemoryStore):
    known = await keys.read(None, 0)
    later = ApiKeys(Database(store))
    later._revision = known.revision + 1

    assert await later.read(known.revision, 10) is not None


async def test_a_reader_is_told_what_another_process_has_changed(
    keys: ApiKeys, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(api_keys, "FOLLOW_EVERY_S", 0.001)
    key, _ = new_api_key("laptop")
    await keys.add(key)
    known = await keys.read(None, 0)
    following = asyncio.create_task(keys.follow())
    reading = asyncio.create_task(keys.read(known.revision, 10))
    looked = Event()
    monkeypatch.setattr(store.api_keys, "list", noting(store.api_keys.list, looked))
    await eventually(looked.is_set)

    store.api_keys.delete(key.id)

    assert (await reading).keys == []
    following.cancel()


def noting(call: Callable[[], list[ApiKey]], called: Event) -> Callable[[], list[ApiKey]]:
    """Return the same call, which notes that it was made."""

    def noted() -> list[ApiKey]:
        answer = call()
        called.set()
        return answer

    return noted
