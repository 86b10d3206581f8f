"""API keys in a database."""

from sqlalchemy import delete, select

from everruns.domain.keys import ApiKey
from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.sql.database import Database
from everruns.storage.sql.statements import upsert
from everruns.storage.sql.tables import Row, api_keys


class SqlApiKeys:
    """Implements ``ApiKeyStore``.

    Args:
        database: Has the tables.
        cipher: Has the encryption key, from which the secret of access tokens is derived.
    """

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._signing_secret = cipher.derive_key("access tokens")

    def signing_secret(self) -> bytes:
        """Return the 32 bytes that sign access tokens, the same as long as the store lasts."""
        return self._signing_secret

    def put(self, *keys: ApiKey) -> None:
        """Store API keys, all or none, replacing those with their ids."""
        with self._database.writing() as connection:
            upsert(connection, api_keys, [_row(key) for key in keys])

    def delete(self, key_id: str) -> bool:
        """Delete an API key; return whether it existed."""
        statement = delete(api_keys).where(api_keys.c.id == key_id)
        with self._database.writing() as connection:
            deleted = connection.execute(statement.returning(api_keys.c.id)).all()
        return bool(deleted)

    def list(self) -> list[ApiKey]:
        """Return every API key, oldest first."""
        oldest_first = api_keys.c.created_at, api_keys.c.id
        with self._database.reading() as connection:
            documents = connection.execute(select(api_keys.c.document).order_by(*oldest_first))
            return [ApiKey.model_validate_json(document) for document in documents.scalars()]


def _row(key: ApiKey) -> Row:
    return {"id": key.id, "created_at": key.created_at, "document": key.model_dump_json()}
