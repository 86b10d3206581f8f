"""The directory of a backup: a data directory to which a server can go back."""

from pathlib import Path

from everruns.errors import Conflict, StoreUnavailable
from everruns.storage.data_directory.encryption import KEY_FILE
from everruns.storage.data_directory.opening import DATABASE_FILE
from everruns.storage.data_directory.secret_file import make_secret_file


def make_backup_directory(data_dir: Path, target: Path) -> Path:
    """Prepare a directory for a backup: new, with the encryption key that the copy needs.

    Args:
        data_dir: The data directory.
        target: The directory of the backup, which must be new or empty.

    Returns:
        The file for the copy of the database.

    Raises:
        Conflict: The directory has files already.
        StoreUnavailable: It cannot be written.
    """
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise Conflict(f"{target} is not empty. Name a new directory for each backup.")
        key = data_dir / KEY_FILE
        if key.exists():
            make_secret_file(target / KEY_FILE, key.read_bytes())
    except OSError as error:
        raise StoreUnavailable(f"{target} cannot be written: {error.strerror}") from None
    return target / DATABASE_FILE
