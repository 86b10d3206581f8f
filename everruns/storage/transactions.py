"""Transactions of a database: many that read, one at a time that writes."""

from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock

from sqlalchemy import Connection, Engine

from everruns.errors import StoreUnavailable
from everruns.storage.database import answering

WRITER_TIMEOUT_S = 60.0


class Transactions:
    """Opens transactions; what the database raises in them comes out as ``StoreUnavailable``.

    Args:
        engine: Of the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = Lock()

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Open one that only reads."""
        with answering(self._engine), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """Open one that is committed at the end, unless something is raised."""
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
        """Let go of the database, after the transaction that writes."""
        with self._only_writer():
            # DuckDB writes its log into the database when the last connection goes.
            self._engine.dispose()
