"""The PostgreSQL database into which a data directory is copied."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import psycopg
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    MetaData,
    Row,
    Table,
    Text,
    insert,
    inspect,
    select,
    text,
    update,
)

from everruns.errors import Conflict
from everruns.storage.postgres.engine import complete, postgres_engine
from everruns.storage.postgres.errors import answering
from everruns.storage.postgres.opening import opening_postgres
from everruns.storage.postgres.tables import UNFINISHED, create_tables, lift_limits, preparing
from everruns.storage.transfer.digest import Digest, digest

# A row for each table: what there is to copy, and how far it is copied. While this table is there,
# no server starts on the database.
_unfinished = Table(
    UNFINISHED,
    MetaData(),
    Column("name", Text, primary_key=True),
    Column("rows", BigInteger, nullable=False),
    Column("checksum", Text, nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("copied", BigInteger, nullable=False),
)


@dataclass(frozen=True)
class Reached:
    """How far a table is copied.

    Attributes:
        place: The place in the source from which on rows are missing.
        copied: How many rows are there.
    """

    place: int = 0
    copied: int = 0


class Target:
    """A PostgreSQL database that is empty, or has a part of the same copy.

    Args:
        engine: Of the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, digests: Mapping[str, Digest]) -> dict[str, Reached]:
        """Create the tables, or find how far an earlier attempt has come.

        Args:
            digests: Of all tables of the source, by their names.

        Returns:
            How far each table is copied.

        Raises:
            Conflict: The database has something else.
            StoreUnavailable: It cannot be used. The message says what to do.
        """
        with opening_postgres(), preparing(self._engine) as connection:
            names = inspect(connection).get_table_names()
            if UNFINISHED in names:
                return _resume(connection, digests)
            if names:
                raise Conflict(
                    "The PostgreSQL database has tables already. Name an empty one, such as one"
                    " that CREATE DATABASE has just made."
                )
            create_tables(connection)
            _unfinished.create(connection)
            connection.execute(
                insert(_unfinished),
                [
                    {"name": name, "rows": all_.rows, "checksum": str(all_.checksum)}
                    | vars(Reached())
                    for name, all_ in digests.items()
                ],
            )
        return dict.fromkeys(digests, Reached())

    def load(
        self, table: Table, rows: Sequence[Row[tuple[object, ...]]], before: Reached, after: Reached
    ) -> None:
        """Store rows, all or none, and note how far the table is copied by them.

        Raises:
            Conflict: Another process copies into the database.
            StoreUnavailable: The rows are not stored, or it is not known whether they are.
        """
        c = _unfinished.c
        statement = (
            update(_unfinished)
            .where(c.name == table.name, c.place == before.place)
            .values(**vars(after))
        )
        with self._writing() as connection:
            if connection.execute(statement).rowcount != 1:
                raise Conflict("Another process copies into the PostgreSQL database.")
            if rows:
                _copy(connection, table, rows)

    def digest(self, table: Table) -> Digest:
        """Return a table's digest."""
        with self._writing() as connection:
            return digest(connection, table)

    def finish(self) -> None:
        """Let servers start on the database: it has everything."""
        with self._writing() as connection:
            # Otherwise the first lists would be read without knowing how many rows there are.
            connection.execute(text("ANALYZE"))
            _unfinished.drop(connection)

    @contextmanager
    def _writing(self) -> Generator[Connection]:
        with answering(is_repeatable=False), self._engine.begin() as connection:
            lift_limits(connection)
            yield connection


@contextmanager
def open_target(address: SecretStr) -> Generator[Target]:
    """Open a PostgreSQL database.

    Args:
        address: As in the setting ``database_url``.

    Raises:
        InvalidRequest: The address cannot be read.
    """
    engine = postgres_engine(complete(address), max_connections=1)
    try:
        yield Target(engine)
    finally:
        engine.dispose()


def _resume(connection: Connection, digests: Mapping[str, Digest]) -> dict[str, Reached]:
    found = connection.execute(select(_unfinished)).all()
    if {row.name: Digest(row.rows, int(row.checksum)) for row in found} != digests:
        raise Conflict(
            "The PostgreSQL database has a part of a copy of something else, or the data directory"
            " was changed since that copy was begun. Name an empty database."
        )
    return {row.name: Reached(row.place, row.copied) for row in found}


def _copy(connection: Connection, table: Table, rows: Sequence[Row[tuple[object, ...]]]) -> None:
    columns = SQL(", ").join(Identifier(column.name) for column in table.columns)
    statement = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table.name), columns)
    driver = cast("psycopg.Connection[object]", connection.connection.driver_connection)
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(tuple(row))
