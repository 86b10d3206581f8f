"""The PostgreSQL server of a test run, started once in each process, and databases for tests."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache

from pydantic import SecretStr

from bench.postgres import PostgresServer, database_on
from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.postgres.opening import open_postgres
from everruns.storage.postgres.store import PostgresStore

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


@contextmanager
def postgres_store() -> Generator[PostgresStore]:
    """Give a store in a database of its own."""
    with database_with_tables() as url:
        store = open_postgres(url, CIPHER)
        yield store
        store.close()
