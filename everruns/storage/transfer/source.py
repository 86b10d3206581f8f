"""The data directory that is copied."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import BigInteger, Row, Table, func, literal_column, select, types

from everruns.errors import InvalidRequest
from everruns.storage.data_directory.lock import lock_data_directory
from everruns.storage.data_directory.opening import DATABASE_FILE, open_store
from everruns.storage.duckdb.database import DuckDB
from everruns.storage.duckdb.engine import duckdb_engine
from everruns.storage.transfer.digest import Digest, digest

# DuckDB reads this many rows at a time in any case. A value in a row has at most 32 KiB, see
# ``everruns.storage.sql.chunks``, so they take 64 MiB at most.
ROWS_AT_ONCE = 2048

# Where DuckDB has a row. That changes only by a checkpoint after a deletion, and here nothing is
# deleted. By keys, which DuckDB keeps in no order, each batch would take reading the whole table.
_PLACE = literal_column("rowid", BigInteger)


class Source:
    """What a data directory holds, while no server works on it.

    Args:
        database: Has the tables, and everything that the journal had.
    """

    def __init__(self, database: DuckDB) -> None:
        self._database = database

    def digest(self, table: Table) -> Digest:
        """Return a table's digest."""
        with self._database.reading() as connection:
            return digest(connection, table)

    def end(self, table: Table) -> int:
        """Return the place after a table's last row."""
        after_last = func.coalesce(func.max(_PLACE) + 1, 0)
        with self._database.reading() as connection:
            return connection.execute(select(after_last).select_from(table)).scalar_one()

    def read(self, table: Table, place: int) -> Sequence[Row[tuple[object, ...]]]:
        """Return the rows of a table at ``ROWS_AT_ONCE`` places; there may be none at some."""
        is_here = (place <= _PLACE) & (place + ROWS_AT_ONCE > _PLACE)
        with self._database.reading() as connection:
            return connection.execute(select(table).where(is_here)).all()

    def check_texts(self, table: Table) -> None:
        """Check that PostgreSQL can hold a table's texts.

        Raises:
            InvalidRequest: A text has a NUL character. The message says where.
        """
        key = list(table.primary_key) or list(table.columns)[:1]
        texts = [column for column in table.columns if isinstance(column.type, types.Text)]
        with self._database.reading() as connection:
            for column in texts:
                has_nul = func.contains(column, func.chr(0))
                found = connection.execute(select(*key).where(has_nul).limit(1)).first()
                if found is not None:
                    where = " ".join(str(value).replace("\0", "\\0") for value in found)
                    raise InvalidRequest(
                        f"PostgreSQL cannot hold NUL characters, and {table.name}.{column.name} of"
                        f" {where} has one. Nothing was copied. Start the server on the data"
                        " directory and change or delete that, then copy again"
                    )


@contextmanager
def open_source(data_dir: Path, encryption_key: SecretStr | None) -> Generator[Source]:
    """Lock a data directory, bring its journal into its database, and open that.

    Args:
        data_dir: The directory of a server that is stopped.
        encryption_key: The server's, unless it is in the directory.

    Raises:
        Conflict: A server or a command uses it.
        InvalidRequest: There is no database, or the encryption key is malformed.
        StoreUnavailable: It cannot be used. The message says what to do.
    """
    file = data_dir / DATABASE_FILE
    if not file.exists():
        raise InvalidRequest(f"There is no database in {data_dir}: it has no file {file.name}.")
    with lock_data_directory(data_dir):
        open_store(data_dir, encryption_key).close()
        database = DuckDB(duckdb_engine(str(file)))
        try:
            yield Source(database)
        finally:
            database.close()
