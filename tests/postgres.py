"""The PostgreSQL server of a test run, started once in each process, and databases for tests."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache

from pydantic import SecretStr

from bench.postgres import PostgresServer, database_on
from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.postgres.opening import open_postgres
from everruns.storage.postgres.store import PostgresStore
from everruns.storage.sql.tables import metadata

CIPHER = Cipher(bytes(32))


@cache
def postgres_server() -> PostgresServer:
    """Return the server, which ends with this process."""
    return PostgresServer()


@cache
def _migrated() -> str:
    """Return the name of a database that has the tables, and is only copied."""
    name = postgres_server().create_database()
    open_postgres(SecretStr(postgres_server().url(name)), CIPHER).close()
    return name


@contextmanager
def database_with_tables() -> Generator[SecretStr]:
    """Give the address of a new database that has the tables."""
    with database_on(postgres_server(), _migrated()) as url:
        yield SecretStr(url)


@cache
def _idle() -> list[str]:
    """Return the databases that have the tables, no rows, and no user now."""
    return []


def _empty(database: str) -> None:
    """Delete every row, and end the connections that would hold some."""
    tables = "; ".join(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables))
    postgres_server().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{database}' AND pid <> pg_backend_pid()",
        database,
    )
    postgres_server().execute(tables, database)


@contextmanager
def postgres_store() -> Generator[PostgresStore]:
    """Give an empty store in a database that nobody else uses.

    The database is emptied and used again: to create one takes thirty times as long.
    """
    database = _idle().pop() if _idle() else postgres_server().create_database(_migrated())
    store = open_postgres(SecretStr(postgres_server().url(database)), CIPHER)
    yield store
    store.close()
    _empty(database)
    _idle().append(database)
