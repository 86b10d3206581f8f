"""The API keys that one process of the API knows."""

import asyncio
from collections.abc import AsyncIterator, Collection

import pytest

from everruns.api.http import key_ring
from everruns.api.http.key_ring import KeyRing
from everruns.domain.keys import ApiKey, new_api_key
from everruns.errors import HostLost, Unavailable
from everruns.registry.database import Database
from everruns.registry.keys import ApiKeys, KnownKeys
from everruns.storage.memory.store import MemoryStore
from tests.waiting import PATIENCE_S


class Registry(ApiKeys):
    """The registry's keys, which count their questions and can be out of reach."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(Database(store))
        self.looks = 0
        self.is_gone = False

    async def read(self, known: int | None, wait_s: float) -> KnownKeys | None:
        self.looks += wait_s == 0
        answer = await super().read(known, wait_s)
        if self.is_gone:
            raise HostLost("gone")
        return answer


class Ring(KeyRing):
    """A ring that remembers which keys it told its streams of."""

    def __init__(self, registry: ApiKeys) -> None:
        self.told: list[Collection[str]] = []
        super().__init__(registry, self.told.append)


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    registry = Registry(MemoryStore())
    yield registry
    await registry._database.close()


@pytest.fixture
async def ring(registry: Registry) -> AsyncIterator[Ring]:
    ring = Ring(registry)
    async with ring.following():
        yield ring


async def added(registry: ApiKeys, name: str = "laptop") -> tuple[ApiKey, str]:
    key, secret = new_api_key(name)
    await registry.add(key)
    return key, secret


async def refused(ring: KeyRing, secret: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await ring.find(secret) is not None:
            await asyncio.sleep(0)


async def test_a_key_is_found_by_its_secret(ring: Ring, registry: Registry):
    key, secret = await added(registry)
    await added(registry, "another")

    assert await ring.find(secret) == key


@pytest.mark.parametrize("wrong", ["", "evr_", "evr_wrong", "ключ"])
async def test_other_secrets_are_not(ring: Ring, registry: Registry, wrong: str):
    await added(registry)

    assert await ring.find(wrong) is None


async def test_a_known_key_asks_nobody(ring: Ring, registry: Registry):
    _, secret = await added(registry)
    await ring.find(secret)
    looks = registry.looks

    for _ in range(100):
        await ring.find(secret)

    assert registry.looks == looks


async def test_a_revoked_key_is_forgotten_and_streams_are_told(ring: Ring, registry: Registry):
    key, secret = await added(registry)
    kept, _ = await added(registry)
    assert await ring.find(secret) == key

    await registry.revoke(key.id)
    await refused(ring, secret)

    assert ring.told[-1] == {kept.id}


async def test_many_guesses_are_few_questions(ring: Ring, registry: Registry):
    guesses = (ring.find(f"evr_{number}") for number in range(500))

    assert set(await asyncio.gather(*guesses)) == {None}
    assert registry.looks <= 2


async def test_who_gives_up_takes_the_answer_from_nobody(ring: Ring, registry: Registry):
    await ring.find("warm")
    _, secret = await added(registry)
    impatient, patient = (asyncio.create_task(ring.find(secret)) for _ in range(2))
    await asyncio.sleep(0)

    impatient.cancel()

    assert await patient is not None


async def test_the_last_known_keys_count_while_the_registry_is_away(ring: Ring, registry: Registry):
    key, secret = await added(registry)
    await ring.find(secret)
    registry.is_gone = True

    assert await ring.find(secret) == key
    with pytest.raises(Unavailable):
        await ring.find("evr_unknown")

    registry.is_gone = False
    newer, new_secret = await added(registry)
    assert await ring.find(new_secret) == newer


async def test_what_changed_while_the_registry_was_away_is_learnt(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(key_ring, "RETRY_S", 0.01)
    key, secret = await added(registry)
    ring = Ring(registry)
    async with ring.following():
        await ring.find(secret)
        registry.is_gone = True
        await registry.revoke(key.id)
        registry.is_gone = False
        await refused(ring, secret)

    assert ring.told[-1] == set()


async def test_without_a_first_answer_nobody_is_refused_or_let_in(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(key_ring, "FIRST_ANSWER_TIMEOUT_S", 0.05)
    registry.is_gone = True
    ring = Ring(registry)
    async with ring.following():
        with pytest.raises(Unavailable):
            await ring.find("evr_x")
