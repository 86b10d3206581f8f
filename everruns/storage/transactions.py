"""Transactions of a database: many that read, one at a time that writes."""

from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock

from sqlalchemy import Connection, Engine

from everruns.errors import StoreUnavailable
from everruns.storage.database import answering, trim_cache

WRITER_TIMEOUT_S = 60.0


class Transactions:
    """Opens transactions; what the database raises in them comes out as ``StoreUnavailable``.

    Args:
        engine: Of the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = Lock()
        # Held for a moment by each reader that begins or ends.
        self._counting = Lock()
        self._readers = 0

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Open one that only reads."""
        with (
            self._counted(),
            answering(self._engine),
            self._engine.connect() as connection,
        ):
            yield connection

    @contextmanager
    def _counted(self) -> Generator[None]:
        with self._counting:
            self._readers += 1
        try:
            yield
        finally:
            with self._counting:
                self._readers -= 1

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

    def trim_cache(self) -> bool:
        """Trim what the database keeps of its file; see ``database.trim_cache``.

        Returns:
            Whether it was trimmed: false, at once, while a transaction reads.

        Raises:
            StoreUnavailable: The database did not answer, or a transaction writes for too long.
        """
        with self._only_writer(), answering(self._engine), self._counting:
            if self._readers:
                return False
            trim_cache(self._engine)
            return True

    def close(self) -> None:
        """Let go of the database, after the transaction that writes."""
        with self._only_writer():
            # DuckDB writes its log into the database when the last connection goes.
            self._engine.dispose()
