"""The engine of a DuckDB file: its settings, and what it keeps of the file in memory.

One process at a time can have a DuckDB file open; inside it, each pooled connection is one thread's
view of the same database.
"""

import duckdb
import structlog
from sqlalchemy import URL, Engine, QueuePool, create_engine, text

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
    # It would compress the chunks of wide values, 2,048 of them together: whoever reads one then
    # unpacks up to 64 MiB, which takes twenty times as long.
    "zstd_min_string_length": 2**31,
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


def has_read_log(engine: Engine) -> bool:
    """Open a database; return whether any part of its write-ahead log was applied."""
    with engine.connect() as connection:
        size = connection.execute(text("SELECT wal_size FROM pragma_database_size()")).scalar_one()
    return size != "0 bytes"


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
            _log.debug("cache not within limit", limit=CACHE_LIMIT)
        finally:
            cursor.execute(f"SET GLOBAL memory_limit = '{MEMORY_LIMIT}'")
    finally:
        connection.close()
