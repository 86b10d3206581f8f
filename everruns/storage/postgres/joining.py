"""Joining a PostgreSQL database that the registry has opened. Without what migrates its tables."""

import secrets

from pydantic import SecretStr

from everruns.storage.data_directory.encryption import KEY_BYTES, Cipher
from everruns.storage.postgres.database import Postgres
from everruns.storage.postgres.engine import autocommit_pool, complete, postgres_engine
from everruns.storage.postgres.store import PostgresStore

# Readers of two lanes and who writes snapshots, and who appends.
LOG_CONNECTIONS = 5
APPENDING_CONNECTIONS = 1
READS_AT_ONCE = 2


def join_postgres(address: SecretStr) -> PostgresStore:
    """Return the store of a PostgreSQL database that the registry has opened, for its other users.

    It connects on first use, and has no key: secrets that are encrypted there stay so.

    Args:
        address: Address of the database; see ``engine.complete``.

    Raises:
        InvalidRequest: The address cannot be read.
    """
    conninfo = complete(address)
    database = Postgres(
        postgres_engine(conninfo, LOG_CONNECTIONS), autocommit_pool(conninfo, APPENDING_CONNECTIONS)
    )
    return PostgresStore(database, Cipher(secrets.token_bytes(KEY_BYTES)), READS_AT_ONCE)
