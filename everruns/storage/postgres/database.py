"""A PostgreSQL database: many readers, many writers, also in other processes."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import cast

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy import Connection, Engine, QueuePool

from everruns.errors import StoreUnavailable
from everruns.storage.postgres.errors import Demoted, Undone, answering
from everruns.storage.sql.database import Transactions

# Only a commit that has written something waits for the standby, and then for all before it too.
_CONFIRM = "SELECT pg_logical_emit_message(true, 'everruns', '')"


class Postgres:
    """Implements ``Database``.

    Args:
        engine: Of a database that has the tables.
        autocommitting: Connections to the same database that commit each statement.
    """

    def __init__(self, engine: Engine, autocommitting: QueuePool) -> None:
        self._engine = engine
        self._autocommitting = autocommitting
        self._reading = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._counting = Lock()
        self._doubts = 0
        self._settled = 0

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Open a read-only transaction, whose statements all see the same moment."""
        self._settle()
        with (
            self._connected(self._reading) as connection,
            answering(is_repeatable=True),
        ):
            yield connection

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """Open a transaction that is committed at the end, unless an exception is raised."""
        self._settle()
        with self._connected(self._engine) as connection:
            with answering(is_repeatable=True):
                transaction = connection.begin()
                yield connection
            # Whether a commit that was not answered took place is not known.
            with self._committing(is_repeatable=False):
                transaction.commit()

    @contextmanager
    def copying(self) -> Generator[Transactions]:
        """Give transactions like any other: several may write at a time."""
        yield self.writing

    @contextmanager
    def at_once(self) -> Generator[psycopg.Connection[TupleRow]]:
        """Connect for single statements that are committed as they are executed.

        A process that stands still then keeps no row locked. What is executed must be recognised
        when it is repeated.
        """
        self._settle()
        with self._committing_each() as connection:
            yield connection

    def _settle(self) -> None:
        """Wait until a synchronous standby has what commits that were not answered have stored.

        A commit that waits for the standby can be seen as soon as its connection is lost. Who then
        finds its rows must not take them for stored, because a failover would lose them.
        """
        doubts = self._doubts
        if doubts > self._settled:
            with self._committing_each() as connection:
                connection.execute(_CONFIRM)
            self._settled = doubts

    @contextmanager
    def _committing_each(self) -> Generator[psycopg.Connection[TupleRow]]:
        with answering(is_repeatable=False):
            pooled = self._autocommitting.connect()
        try:
            connection = cast("psycopg.Connection[TupleRow]", pooled.driver_connection)
            with self._committing(is_repeatable=True):
                yield connection
        except Undone:
            pooled.invalidate()
            raise
        finally:
            pooled.close()

    @contextmanager
    def _committing(self, *, is_repeatable: bool) -> Generator[None]:
        try:
            with answering(is_repeatable=is_repeatable):
                yield
        except (Undone, StoreUnavailable):
            with self._counting:
                self._doubts += 1
            raise

    @contextmanager
    def _connected(self, engine: Engine) -> Generator[Connection]:
        with answering(is_repeatable=False):
            connection = engine.connect()
        try:
            yield connection
        except Demoted:
            connection.invalidate()
            self._engine.dispose()
            raise
        finally:
            # Closing undoes what was not committed.
            with answering(is_repeatable=False):
                connection.close()

    def copy_to(self, target: Path) -> None:  # noqa: ARG002
        """Refuse: a copy of the database is made by PostgreSQL's own programs.

        Raises:
            StoreUnavailable: Always.
        """
        raise StoreUnavailable(
            "This server keeps its data in PostgreSQL. Back it up with PostgreSQL's own programs,"
            " such as pg_dump or pg_basebackup"
        )

    def close(self) -> None:
        """Close all connections."""
        self._autocommitting.dispose()
        self._engine.dispose()
