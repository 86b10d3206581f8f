"""What every store does with receipts, and with many callers at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event as Signal

from everruns.ids import now_ms
from everruns.storage.receipts import Receipt
from everruns.storage.store import Store
from tests.stored import agent, append, events, log, session


def test_the_first_answer_under_a_key_stays(store: Store) -> None:
    store.agents.put(agent(1), Receipt("key", "a", b"first"))
    store.agents.put(agent(2), Receipt("key", "b", b"second"))
    assert store.receipts.find("key") == Receipt("key", "a", b"first")
    assert store.receipts.find("other") is None


def test_old_receipts_are_forgotten(store: Store) -> None:
    store.agents.put(agent(1), Receipt("key", "a", b"first"))
    store.receipts.forget(before_ms=now_ms() - 60_000)
    assert store.receipts.find("key") is not None
    store.receipts.forget(before_ms=now_ms() + 60_000)
    assert store.receipts.find("key") is None


def test_an_open_store_answers(store: Store) -> None:
    store.ping()


def test_many_threads_read_while_one_writes(store: Store) -> None:
    store.sessions.insert(session(1))
    done = Signal()

    def read_until_done() -> None:
        while not done.is_set():
            sequences = log(store, 1)
            assert sequences == list(range(1, len(sequences) + 1))

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read_until_done) for _ in range(4)]
        try:
            for first in range(1, 41, 2):
                assert store.logs.append([append(1, events(1, first, 2))]) == [None]
        finally:
            done.set()
    for reader in readers:
        reader.result()
    assert log(store, 1) == list(range(1, 41))
