"""What every store does with providers."""

from pydantic import SecretStr

from everruns.storage.store import Store
from tests.stored import account


def test_a_provider_keeps_its_key_and_its_models(store: Store) -> None:
    stored = account(1, "sk-secret", settings={"a": {"b": [1.5, None]}})
    store.providers.put(stored)
    store.providers.put(account(2))
    assert store.providers.list() == [account(2), stored]


def test_a_provider_keeps_its_headers(store: Store) -> None:
    headers = {"x-team": SecretStr("team-secret"), "authorization": SecretStr("Basic abc")}
    stored = account(1).model_copy(update={"headers": headers})
    store.providers.put(stored)
    assert store.providers.list() == [stored]
    store.providers.put(account(1))
    assert store.providers.list() == [account(1)]


def test_a_provider_put_again_is_replaced(store: Store) -> None:
    for key in ("first", None, "last"):
        store.providers.put(account(1, key))
    assert store.providers.list() == [account(1, "last")]


def test_a_deleted_provider_can_come_again(store: Store) -> None:
    for _ in range(3):
        store.providers.put(account(1))
        assert store.providers.delete(account(1).provider.id)
        assert not store.providers.delete(account(1).provider.id)
    assert store.providers.list() == []
