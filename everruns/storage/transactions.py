"""Transactions of a database: many readers, one writer at a time."""

from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock

from sqlalchemy import Connection, Engine

from everruns.errors import StoreUnavailable
from everruns.storage.database import answering

WRITER_TIMEOUT_S = 60.0


class Transactions:
    """Opens transactions and translates the database's errors to ``StoreUnavailable``.

    Args:
        engine: Of the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = Lock()

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Open a read-only transaction."""
        with answering(self._engine), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """Open a transaction that is committed at the end, unless an exception is raised."""
        with (
            self._only_writer(),
            answering(self._engine),
            self._engine.begin() as connection,
        ):
            yield connection

    @contextmanager
    def _only_writer(self) -> Generator[None]:
        """Let one transaction write at a time: DuckDB refuses two that change the same rows."""
        if not self._writer.acquire(timeout=WRITER_TIMEOUT_S):
            raise StoreUnavailable("The database is busy. Try again in a moment")
        try:
            yield
        finally:
            self._writer.release()

    def close(self) -> None:
        """Close the database, after the writing transaction."""
        with self._only_writer():
            # DuckDB applies its log to the database when the last connection closes.
            self._engine.dispose()
