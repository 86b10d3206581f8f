"""What every store does with API keys and the secret of access tokens."""

from everruns.storage.memory.store import MemoryStore
from everruns.storage.store import Store
from tests.stored import api_key


def test_api_keys_are_listed_oldest_first(store: Store) -> None:
    one, two, three = (api_key(number) for number in (1, 2, 3))
    store.api_keys.put(two, three)
    store.api_keys.put(one)
    assert store.api_keys.list() == [one, two, three]


def test_an_api_key_that_is_stored_again_is_there_once(store: Store) -> None:
    store.api_keys.put(api_key(1))
    renamed = api_key(1).model_copy(update={"name": "other"})
    store.api_keys.put(renamed)
    assert store.api_keys.list() == [renamed]


def test_a_store_has_one_secret_for_access_tokens(store: Store) -> None:
    assert store.api_keys.signing_secret() == store.api_keys.signing_secret()
    assert len(store.api_keys.signing_secret()) == 32
    assert store.api_keys.signing_secret() != MemoryStore().api_keys.signing_secret()


def test_a_deleted_api_key_is_gone(store: Store) -> None:
    store.api_keys.put(api_key(1), api_key(2))
    assert store.api_keys.delete(api_key(1).id)
    assert not store.api_keys.delete(api_key(1).id)
    assert store.api_keys.list() == [api_key(2)]
