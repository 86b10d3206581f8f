"""Statements that are compiled once, and rows that travel to the database as one list a column.

All of them are SQL that DuckDB and PostgreSQL both take.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ClauseElement,
    Column,
    Connection,
    Select,
    Table,
    TextClause,
    bindparam,
    cast,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from everruns.storage.sql.dialects import BOTH
from everruns.storage.sql.tables import Row


def rows_of(columns: Iterable[Column[Any]]) -> Select[Any]:
    """Select rows whose values are bound as one list a column.

    One statement for any number of rows: with executemany DuckDB needs ten times as long.
    """
    lists = {column.name: ARRAY(column.type) for column in columns}
    return select(
        *(
            func.unnest(cast(bindparam(name, type_=values), values)).label(name)
            for name, values in lists.items()
        )
    )


def rendered(statement: ClauseElement) -> TextClause:
    """Compile frequent statements once, since DuckDB's dialect caches nothing."""
    return text(str(statement.compile(dialect=BOTH)))


def by_column(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Return rows as one list a column."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def upsert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, or update those whose primary key exists.

    An update in place is also what DuckDB needs: within a transaction its indexes refuse a key
    that was deleted and is inserted again.
    """
    if not rows:
        return
    statement = insert(table)
    replaced = {
        column.name: statement.excluded[column.name] for column in table.c if not column.primary_key
    }
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=replaced),
        rows,
    )
