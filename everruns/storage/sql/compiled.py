"""Statements that are compiled once, and rows that travel to the database as one list a column."""

from collections.abc import Iterable, Sequence
from typing import Any

from duckdb_engine import Dialect
from sqlalchemy import (
    ClauseElement,
    Column,
    Select,
    TextClause,
    bindparam,
    cast,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY


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
    return text(str(statement.compile(dialect=Dialect(paramstyle="named"))))


def by_column(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return rows as one list a column."""
    return {name: [row[name] for row in rows] for name in rows[0]}
