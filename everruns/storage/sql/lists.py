"""Pages of the rows of a table, sorted by a time.

All of this is SQL that DuckDB and PostgreSQL both take.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, and_, func, or_, select, true

from everruns.storage.pages import ListQuery, cut
from everruns.storage.sql.chunks import size_of
from everruns.storage.sql.dialects import is_duckdb, lowered


def contains(search: str | None, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that any of the columns contains a text, ignoring case."""
    if not search:
        return true()
    needle = search.lower()
    return or_(*(lowered(column).contains(needle, autoescape=True) for column in columns))


def select_page(
    connection: Connection,
    time: Column[Any],
    matching: ColumnElement[bool],
    query: ListQuery,
    since: int | None = None,
    *,
    ascending: bool = False,
) -> tuple[Sequence[RowMapping], int]:
    """Return a page of the matching rows of a table, and how many match in all.

    Args:
        connection: To the database.
        time: The time column that sorts the table's rows.
        matching: The condition for rows.
        query: The page.
        since: Search the rows since then first. If they fill the page it is the right one for any
            time, since all other rows are older. Only for the newest first.
        ascending: Whether the oldest come first.
    """
    table = time.table
    order = (time, table.c.id) if ascending else (time.desc(), table.c.id.desc())

    def read(condition: ColumnElement[bool]) -> Sequence[RowMapping]:
        columns = table.c if is_duckdb(connection) else [table.c.id]
        page = select(*columns).where(condition).order_by(*order)
        page = page.offset(query.offset).limit(query.limit)
        if not is_duckdb(connection):
            # The whole rows that it skips are not read, nor any if an index has all it compares.
            ids = page.subquery()
            page = select(table).join(ids, table.c.id == ids.c.id).order_by(*order)
        return connection.execute(page).mappings().all()

    rows: Sequence[RowMapping] = ()
    if since is not None:
        rows = read(and_(matching, time >= since))
    if len(rows) < query.limit or since is None:
        rows = read(matching)
    if len(rows) < query.limit and (rows or query.offset == 0):
        return rows, query.offset + len(rows)
    count = select(func.count()).select_from(table).where(matching)
    return rows, connection.execute(count).scalar_one()


def full(rows: Sequence[RowMapping]) -> list[RowMapping]:
    """Return the rows of a page, up to the one whose document fills it."""
    return cut(rows, lambda row: size_of(row["document"]))
