"""A PostgreSQL database: many readers, many writers, also in other processes."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy import Connection, Engine, QueuePool

from everruns.errors import StoreUnavailable
from everruns.storage.postgres.errors import Demoted, Undone, answering


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

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Open a read-only transaction, whose statements all see the same moment."""
        with (
            self._connected(self._reading) as connection,
            answering(is_repeatable=True),
        ):
            yield connection

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """Open a transaction that is committed at the end, unless an exception is raised."""
        with self._connected(self._engine) as connection:
            with answering(is_repeatable=True):
                transaction = connection.begin()
                yield connection
            # Whether a commit that was not answered took place is not known.
            with answering(is_repeatable=False):
                transaction.commit()

    @contextmanager
    def at_once(self) -> Generator[psycopg.Connection[TupleRow]]:
        """Connect for single statements that are committed as they are executed.

        A process that stands still then keeps no row locked. What is executed must be recognised
        when it is repeated.
        """
        with answering(is_repeatable=False):
            pooled = self._autocommitting.connect()
        try:
            connection = cast("psycopg.Connection[TupleRow]", pooled.driver_connection)
            with answering(is_repeatable=True):
                yield connection
        except Undone:
            pooled.invalidate()
            raise
        finally:
            pooled.close()

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
