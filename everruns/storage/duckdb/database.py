"""A DuckDB file as the database of a store: many readers, one writer at a time."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, Engine

from everruns.errors import StoreUnavailable
from everruns.storage.duckdb.copying import copy_database
from everruns.storage.duckdb.engine import trim_cache
from everruns.storage.duckdb.errors import answering
from everruns.storage.duckdb.page_cache import PageCache
from everruns.storage.duckdb.queue import Queue
from everruns.storage.sql.database import Transactions

WRITER_TIMEOUT_S = 60.0


class DuckDB:
    """Implements ``Database``, and keeps small what DuckDB caches of its file.

    Args:
        engine: Of a database that has the tables.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writers = Queue()
        # Held for a moment by each reader that begins or ends.
        self._counting = Lock()
        self._readers = 0
        self._page_cache = PageCache(self.trim_cache)

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Open a read-only transaction."""
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
        """Open a transaction that is committed at the end, unless an exception is raised."""
        with (
            self._only_writer(),
            answering(self._engine),
            self._engine.begin() as connection,
        ):
            yield connection

    @contextmanager
    def copying(self) -> Generator[Transactions]:
        """Connect for transactions that write what nobody else does; see ``Database``.

        Each keeps other writers waiting only while it commits.
        """

        @contextmanager
        def transaction() -> Generator[Connection]:
            begun = connection.begin()
            yield connection
            with self._only_writer():
                begun.commit()

        with (
            self._counted(),
            answering(self._engine),
            self._engine.connect() as connection,
        ):
            # Closed at the end with its temporary tables, instead of lent to the next.
            connection.detach()
            yield transaction

    @contextmanager
    def _only_writer(self) -> Generator[None]:
        """Let one transaction write at a time: DuckDB refuses two that change the same rows."""
        with ExitStack() as stack:
            try:
                stack.enter_context(self._writers.turn(WRITER_TIMEOUT_S))
            except TimeoutError:
                raise StoreUnavailable("The database is busy. Try again in a moment") from None
            yield

    def trim_cache(self) -> bool:
        """Trim what DuckDB keeps of its file; see ``engine.trim_cache``.

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

    def copy_to(self, target: Path) -> None:
        """Write a copy of the database into a new file; see ``copying.copy_database``.

        Raises:
            StoreUnavailable: The database did not answer, or the file cannot be written.
        """
        with self._counted(), answering(self._engine):
            copy_database(self._engine, target)

    def close(self) -> None:
        """Close the database, after the writing transaction."""
        self._page_cache.close()
        with self._only_writer():
            # DuckDB applies its log to the database when the last connection closes.
            self._engine.dispose()
