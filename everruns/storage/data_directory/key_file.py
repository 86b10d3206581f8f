"""The API key file of earlier versions, imported once at the start."""

from pathlib import Path

from pydantic import TypeAdapter

from everruns.domain.keys import ApiKey
from everruns.errors import StoreUnavailable
from everruns.storage.api_keys import ApiKeyStore
from everruns.storage.data_directory.durable import make_folder_durable

FILE_NAME = "api_keys.json"
IMPORTED_NAME = f"{FILE_NAME}.imported"

_KEYS = TypeAdapter(list[ApiKey])


def import_key_file(data_dir: Path, api_keys: ApiKeyStore) -> None:
    """Store the keys of the file, if it exists, and rename it.

    Raises:
        StoreUnavailable: The file is damaged.
        OSError: It cannot be read or renamed.
    """
    file = data_dir / FILE_NAME
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return
    try:
        keys = _KEYS.validate_json(content)
    except ValueError:
        raise StoreUnavailable(
            f"{file} is damaged. Restore it, or delete it and create the API keys again"
        ) from None
    api_keys.put(*keys)
    file.rename(data_dir / IMPORTED_NAME)
    # If the file reappeared after a power cut, it would restore keys that were revoked since.
    make_folder_durable(data_dir)
