"""Providers in a database, their API keys and headers encrypted."""

import json

from pydantic import SecretStr
from sqlalchemy import delete, select

from everruns.domain.llm import Provider, ProviderAccount
from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.sql.chunks import PROVIDERS, delete_chunks
from everruns.storage.sql.database import Database
from everruns.storage.sql.tables import Row, StoredRow, providers


class SqlProviders:
    """Implements ``ProviderStore``.

    Args:
        database: Has the tables.
        cipher: Encrypts the API keys and headers.
    """

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher

    def put(self, *accounts: ProviderAccount) -> None:
        """Store providers with their secrets, all or none, replacing those with their ids."""
        rows = [self._row(account) for account in accounts]
        with self._database.writing() as connection:
            PROVIDERS.put(connection, rows)

    def delete(self, provider_id: str) -> bool:
        """Delete a provider; return whether it existed."""
        statement = delete(providers).where(providers.c.id == provider_id)
        with self._database.writing() as connection:
            deleted = connection.execute(statement.returning(providers.c.id)).all()
            delete_chunks(connection, [provider_id])
        return bool(deleted)

    def list(self) -> list[ProviderAccount]:
        """Return every provider with its secrets, newest first.

        Raises:
            SecretsUnreadable: They were encrypted with another key.
        """
        newest_first = providers.c.created_at.desc(), providers.c.id.desc()
        with self._database.reading() as connection:
            found = connection.execute(select(providers).order_by(*newest_first)).mappings()
            rows = PROVIDERS.whole(connection, found)
        return [self._account(row) for row in rows]

    def _row(self, account: ProviderAccount) -> Row:
        provider, api_key = account.provider, account.api_key
        headers = {name: value.get_secret_value() for name, value in account.headers.items()}
        sealed = SecretStr(json.dumps(headers)) if headers else None
        encrypt = self._cipher.encrypt
        return {
            "id": provider.id,
            "created_at": provider.created_at,
            "document": provider.model_dump_json(),
            "encrypted_api_key": encrypt(api_key, provider.id) if api_key else None,
            "encrypted_headers": encrypt(sealed, _headers_of(provider.id)) if sealed else None,
        }

    def _account(self, row: StoredRow) -> ProviderAccount:
        encrypted, sealed = row["encrypted_api_key"], row["encrypted_headers"]
        decrypt = self._cipher.decrypt
        headers: dict[str, str] = {}
        if sealed is not None:
            headers = json.loads(decrypt(sealed, _headers_of(row["id"])).get_secret_value())
        return ProviderAccount(
            provider=Provider.model_validate_json(row["document"]),
            api_key=None if encrypted is None else decrypt(encrypted, row["id"]),
            headers={name: SecretStr(value) for name, value in headers.items()},
        )


def _headers_of(provider_id: str) -> str:
    """Return the owner of a provider's encrypted headers, which cannot stand for its key."""
    return f"{provider_id}/headers"
