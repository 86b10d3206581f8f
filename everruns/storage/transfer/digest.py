"""Digests of tables, which are equal in DuckDB and PostgreSQL if the rows are."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    Table,
    cast,
    func,
    literal_column,
    select,
    types,
)

from everruns.storage.sql.dialects import hexadecimal

# 60 bits of each row's hash, which a signed number of 64 bits holds.
_DIGITS = 15


@dataclass(frozen=True)
class Digest:
    """What a table holds, whatever the order of its rows.

    Attributes:
        rows: How many rows there are.
        checksum: The sum of all rows' hashes: it finds rows that are lost, doubled or changed by
            mistake, not such that somebody made to match.
    """

    rows: int
    checksum: int


def digest(connection: Connection, table: Table) -> Digest:
    """Return a table's digest, which the database makes by reading it once."""
    row = func.md5(func.concat(*(_hash(column) for column in table.columns)))
    number = hexadecimal(func.substr(row, literal_column("1"), literal_column(str(_DIGITS))))
    counted = select(func.count(), func.sum(number)).select_from(table)
    rows, checksum = connection.execute(counted).one()
    return Digest(rows, int(checksum or 0))


def _hash(column: Column[Any]) -> ColumnElement[str]:
    is_hashed_as_it_is = isinstance(column.type, types.Text | LargeBinary)
    value = column if is_hashed_as_it_is else cast(column, types.Text)
    return func.coalesce(func.md5(value), literal_column("'-'"))
