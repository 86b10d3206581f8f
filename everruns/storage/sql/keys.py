"""API keys in a database."""

from sqlalchemy import delete, select

from everruns.domain.keys import ApiKey
from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.sql.statements import upsert
from everruns.storage.sql.tables import api_key_row, api_keys
from everruns.storage.sql.transactions import Transactions


class SqlApiKeys:
    """Keeps API keys in a database; implements ``ApiKeyStore``.

    Args:
        transactions: Of a database that has the tables.
        cipher: Has the encryption key, from which the secret of access tokens is derived.
    """

    def __init__(self, transactions: Transactions, cipher: Cipher) -> None:
        self._signing_secret = cipher.derive_key("access tokens")
        self._reading = transactions.reading
        self._writing = transactions.writing

    def signing_secret(self) -> bytes:
        """Return the 32 bytes that sign access tokens, the same as long as the store lasts."""
        return self._signing_secret

    def put_api_keys(self, *keys: ApiKey) -> None:
        """Store API keys, all or none, replacing those with their ids."""
        with self._writing() as connection:
            upsert(connection, api_keys, [api_key_row(key) for key in keys])

    def list_api_keys(self) -> list[ApiKey]:
        """Return every API key, oldest first."""
        oldest_first = api_keys.c.created_at, api_keys.c.id
        with self._reading() as connection:
            documents = connection.execute(select(api_keys.c.document).order_by(*oldest_first))
            return [ApiKey.model_validate_json(document) for document in documents.scalars()]

    def delete_api_key(self, key_id: str) -> bool:
        """Delete an API key; return whether it existed."""
        statement = delete(api_keys).where(api_keys.c.id == key_id)
        with self._writing() as connection:
            deleted = connection.execute(statement.returning(api_keys.c.id)).all()
        return bool(deleted)
