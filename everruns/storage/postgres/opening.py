"""Opening the store in a PostgreSQL database."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import structlog
from pydantic import SecretStr

from everruns.errors import StoreUnavailable
from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.postgres.database import Postgres
from everruns.storage.postgres.engine import autocommit_pool, complete, postgres_engine
from everruns.storage.postgres.errors import POSTGRES_ERRORS, detail_of
from everruns.storage.postgres.store import PostgresStore
from everruns.storage.postgres.tables import prepare_tables

# What an error's class, code or text has, and what it means. A refused connection has no code.
_REASONS = {
    "password authentication failed": "it refuses the user or the password",
    "does not exist": "there is no database or user of this name",
    "too many": "it has too many connections",
    "InsufficientPrivilege": "the user may not create tables in it",
    "ReadOnlySqlTransaction": "it is a standby, which can only be read; add"
    " target_session_attrs=read-write",
}

# Of the connections; the others are for lists, files and what writes.
READS_AT_ONCE = 8

_log = structlog.stdlib.get_logger(__name__)


def open_postgres(address: SecretStr, cipher: Cipher) -> PostgresStore:
    """Open the store of a PostgreSQL database, creating or migrating its tables.

    Args:
        address: Address of the database; see ``engine.complete``.
        cipher: Encrypts the secrets of providers.

    Raises:
        InvalidRequest: The address cannot be read.
        StoreUnavailable: The database cannot be used. The message says what to do.
    """
    with opening_postgres(), ExitStack() as undo:
        conninfo = complete(address)
        engine = postgres_engine(conninfo)
        database = Postgres(engine, autocommit_pool(conninfo))
        undo.callback(database.close)
        prepare_tables(engine)
        store = PostgresStore(database, cipher, READS_AT_ONCE)
        store.providers.list()  # raises if they were encrypted with another key
        store.load_budgets()
        undo.pop_all()
    return store


@contextmanager
def opening_postgres() -> Generator[None]:
    """Translate errors while a database is opened into messages that say what to do.

    Raises:
        StoreUnavailable: The database cannot be used.
    """
    try:
        yield
    except POSTGRES_ERRORS as error:
        detail = detail_of(error)
        _log.error("database unusable", error=detail)
        meant = (reason for sign, reason in _REASONS.items() if sign in detail)
        reason = next(meant, "it does not answer as it should")
        raise StoreUnavailable(
            f"The database of EVERRUNS_DATABASE_URL cannot be used: {reason}. The log has the"
            " details"
        ) from None
