"""Where the newest sessions begin, so that a page of them passes over all the older ones."""

from sqlalchemy import Connection, select

from everruns.storage.sql.dialects import is_duckdb
from everruns.storage.sql.tables import sessions

SET_APART = 1000


class NewestSessions:
    """Knows since when about the newest thousand sessions were made.

    It sets a bound to the rows that DuckDB sorts for a page: comparing a number costs it next to
    nothing, but rows that come oldest first each displace another in its list of the newest. A
    session made later is within the bound too, so the bound is renewed only now and then.
    """

    def __init__(self) -> None:
        self._since: int | None = None
        self._made = SET_APART

    def made(self, count: int) -> None:
        """Take note of so many new sessions."""
        self._made += count

    def since(self, connection: Connection) -> int | None:
        """Return the time in milliseconds, or ``None`` while there are few sessions in all.

        There is no bound in PostgreSQL, which reads a page from an index.
        """
        if not is_duckdb(connection):
            return None
        if self._made >= SET_APART:
            self._made = 0
            created = sessions.c.created_ms
            first = select(created).order_by(created.desc()).offset(SET_APART - 1).limit(1)
            self._since = connection.execute(first).scalar()
        return self._since
