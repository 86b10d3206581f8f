"""The database under the store: opening it, migrating its tables, and translating its errors.

One process at a time can have a DuckDB file open; inside it, each pooled connection is one thread's
view of the same database.
"""

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from errno import EEXIST
from pathlib import Path

import duckdb
import structlog
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Engine, QueuePool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from everruns.errors import StoreUnavailable
from everruns.storage.data_directory.durable import make_durable, make_folder_durable
from everruns.storage.duckdb.wal import LogDamaged
from everruns.storage.journal.file import JournalDamaged, JournalFromOtherVersion

MAX_CONNECTIONS = 16
CONNECTION_TIMEOUT_S = 30.0

# What queries and checkpoints may need together.
MEMORY_LIMIT = "1GB"
# What may stay in memory of the database's file, which the operating system caches as well.
CACHE_LIMIT = "64MB"

_DUCKDB_CONFIG = {
    "threads": 2,
    "memory_limit": MEMORY_LIMIT,
    # A page is chosen by its narrow columns before the wide ones are read, up to this many rows.
    "late_materialization_max_rows": 1000,
    # No extensions are needed, and a database must not fetch code from the network.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}

_log = structlog.stdlib.get_logger(__name__)


def duckdb_engine(database: str) -> Engine:
    """Return the engine of a DuckDB database, which connects on first use.

    Args:
        database: A file's path, or ``:memory:<name>`` for one that lives as long as the engine.
    """
    return create_engine(
        URL.create("duckdb", database=database),
        connect_args={"config": _DUCKDB_CONFIG},
        poolclass=QueuePool,
        pool_size=MAX_CONNECTIONS,
        max_overflow=0,
        pool_timeout=CONNECTION_TIMEOUT_S,
        # The connection used last is warm; more are opened only when threads need them.
        pool_use_lifo=True,
        # Rows contain conversations, which must not appear in error messages.
        hide_parameters=True,
    )


def trim_cache(engine: Engine) -> None:
    """Let DuckDB forget pages of its file until what it holds is within ``CACHE_LIMIT``.

    By itself it forgets none before it has reached ``memory_limit``, so a process would grow by a
    gigabyte as sessions are stored. No query may run meanwhile, as it would have too little memory.
    """
    connection = engine.raw_connection()
    try:
        # Not in a transaction, which an error would end.
        cursor = connection.cursor()
        try:
            cursor.execute(f"SET GLOBAL memory_limit = '{CACHE_LIMIT}'")
        except duckdb.OutOfMemoryException:
            # The rest is no page of the file, such as rows that no checkpoint has written yet.
            _log.debug("cache_not_within_limit", limit=CACHE_LIMIT)
        finally:
            cursor.execute(f"SET GLOBAL memory_limit = '{MEMORY_LIMIT}'")
    finally:
        connection.close()


def copy_database(engine: Engine, target: Path) -> None:
    """Write a copy of a database, as it is at one moment, into a new file.

    Others read and write meanwhile. The file has its name only once it is complete and durable.

    Args:
        engine: Of the database.
        target: The new file.

    Raises:
        FileExistsError: There is a file of this name.
        OSError: It cannot be written.
    """
    if target.exists():
        raise FileExistsError(EEXIST, os.strerror(EEXIST), str(target))
    partial = target.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with engine.connect() as reading:
        source = reading.execute(text("SELECT current_database()")).scalar_one()
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        # DuckDB takes no parameters here.
        quoted = str(partial).replace("'", "''")
        cursor.execute(f"ATTACH '{quoted}' AS backup")
        try:
            cursor.execute(f'COPY FROM DATABASE "{source}" TO backup')
        finally:
            cursor.execute("DETACH backup")
        with partial.open("rb+") as written:
            make_durable(written.fileno())
        partial.rename(target)
        make_folder_durable(target.parent)
    finally:
        connection.close()
        partial.unlink(missing_ok=True)


def has_read_log(engine: Engine) -> bool:
    """Open a database; return whether any part of its write-ahead log was applied."""
    with engine.connect() as connection:
        size = connection.execute(text("SELECT wal_size FROM pragma_database_size()")).scalar_one()
    return size != "0 bytes"


def migrate(engine: Engine, revision: str = "head") -> None:
    """Migrate the tables to the schema of this version.

    Args:
        engine: Of the database.
        revision: An older schema to stop at.

    Raises:
        StoreUnavailable: A newer version of the program wrote the database.
    """
    config = Config()
    config.set_main_option("script_location", "everruns.storage.sql:migrations")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            _log.error("database_migration_failed", detail=str(error))
            raise StoreUnavailable(
                "The database was written by a newer version of everruns. Install that version,"
                " or use another data directory"
            ) from None


@contextmanager
def opening(data_dir: Path) -> Generator[None]:
    """Translate errors while a data directory is opened into messages that say what to do.

    Raises:
        StoreUnavailable: The directory is in use or cannot be used.
    """
    try:
        yield
    except (SQLAlchemyError, duckdb.Error, OSError) as error:
        detail = _detail(error)
        _log.error("data_directory_unusable", data_dir=str(data_dir), detail=detail)
        raise StoreUnavailable(_what_to_do(data_dir, error, detail)) from None


def _what_to_do(data_dir: Path, error: Exception, detail: str) -> str:
    if "Could not set lock" in detail:
        holder = re.search(r"\(PID (\d+)\)", detail)
        by = f"by process {holder[1]}" if holder else "by another process"
        return (
            f"The data directory {data_dir} is in use {by}. Stop that one, or choose another"
            " directory with EVERRUNS_DATA_DIR"
        )
    if _is_full_disk(detail):
        return f"The disk of the data directory {data_dir} is full. Free some space on it"
    if isinstance(error, JournalFromOtherVersion):
        return (
            f"The journal in {data_dir} was left by another version of everruns. Start and stop"
            " that version once, so that the journal goes into the database; the log has the"
            " details"
        )
    if isinstance(error, JournalDamaged):
        return (
            f"The journal in {data_dir} is damaged, and the database lacks its entries. Restore a"
            " backup of both, or move the folder journal away to continue without the last"
            " moments before the server ended; the log has the details"
        )
    if isinstance(error, LogDamaged) or _is_damage(detail):
        return (
            f"The database in {data_dir} is damaged. Restore a backup of it, or move the"
            " everruns.duckdb files away to start with an empty one; the log has the details"
        )
    return (
        f"The data directory {data_dir} cannot be used. Make sure that it is a directory this user"
        " can read and write; the log has the details"
    )


def _is_damage(detail: str) -> bool:
    signs = ("not a valid DuckDB", "Could not read enough bytes", "WAL", "orrupt")
    return any(sign in detail for sign in signs)


def _is_full_disk(detail: str) -> bool:
    return "No space left" in detail or "File too large" in detail or "quota exceeded" in detail


@contextmanager
def answering(engine: Engine) -> Generator[None]:
    """Translate the database's errors; this is the only place that does.

    Raises:
        StoreUnavailable: The database did not answer or refused the call.
    """
    try:
        yield
    except (SQLAlchemyError, duckdb.Error, OSError) as error:
        detail = _detail(error)
        _log.error("database_failed", detail=detail)
        if isinstance(getattr(error, "orig", error), duckdb.FatalException):
            # DuckDB fails every call until its file is closed and reopened.
            engine.dispose()
        raise not_stored(detail) from None


def not_stored(detail: str) -> StoreUnavailable:
    """Return the caller's message for an error of the database or the disk."""
    if _is_full_disk(detail):
        return StoreUnavailable(
            "The server's disk is full: nothing was stored. Free some space on it"
        )
    return StoreUnavailable("The database did not answer. Try again in a moment")


def _detail(error: Exception) -> str:
    return f"{type(error).__name__}: {getattr(error, 'orig', None) or error}"
