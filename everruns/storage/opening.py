"""Opening the store that the settings choose: DuckDB in the data directory, or PostgreSQL."""

from pathlib import Path

from pydantic import SecretStr

from everruns.errors import StoreUnavailable
from everruns.storage.data_directory.encryption import Cipher, load_key
from everruns.storage.data_directory.lock import make_data_directory
from everruns.storage.store import Store


def open_configured_store(
    data_dir: Path, encryption_key: SecretStr | None, database_url: SecretStr | None
) -> Store:
    """Open the store, creating what is missing. Only the chosen database's library is imported.

    Args:
        data_dir: Folder of the DuckDB database, and of the encryption key unless one is given.
        encryption_key: 32 bytes as base64 that encrypt the API keys of providers.
        database_url: Address of a PostgreSQL database; without it, DuckDB is used.

    Raises:
        InvalidRequest: The encryption key or the address is malformed.
        StoreUnavailable: The store cannot be used. The message says what to do.
    """
    if database_url is None:
        from everruns.storage.data_directory.opening import open_store  # noqa: PLC0415

        return open_store(data_dir, encryption_key)
    from everruns.storage.postgres.opening import open_postgres  # noqa: PLC0415

    make_data_directory(data_dir)
    try:
        key = load_key(data_dir, encryption_key)
    except OSError as error:
        raise StoreUnavailable(
            f"The encryption key in {data_dir} cannot be used: {error.strerror}"
        ) from None
    return open_postgres(database_url, Cipher(key))
