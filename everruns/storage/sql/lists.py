"""Pages of the rows of a table, sorted by a time.

All of this is SQL that DuckDB and PostgreSQL both take.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, func, or_, select, true

from everruns.storage.pages import ListQuery, cut
from everruns.storage.sql.chunks import size_of
from everruns.storage.sql.dialects import lowered


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
    page = select(table).where(matching).order_by(*order).offset(query.offset).limit(query.limit)
    rows: Sequence[RowMapping] = ()
    if since is not None:
        rows = connection.execute(page.where(time >= since)).mappings().all()
    if len(rows) < query.limit or since is None:
        rows = connection.execute(page).mappings().all()
    if 0 < len(rows) < query.limit:
        return rows, query.offset + len(rows)
    count = select(func.count()).select_from(table).where(matching)
    return rows, connection.execute(count).scalar_one()


def full(rows: Sequence[RowMapping]) -> list[RowMapping]:
    """Return the rows of a page, up to the one whose document fills it."""
    return cut(rows, lambda row: size_of(row["document"]))
