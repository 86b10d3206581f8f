"""What the owner of a data directory is told when it cannot be opened."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import structlog

from everruns.errors import StoreUnavailable
from everruns.storage.duckdb.error_texts import detail_of, loggable
from everruns.storage.duckdb.errors import (
    DUCKDB_ERRORS,
    is_damage,
    is_full_disk,
    user_of_file,
)
from everruns.storage.duckdb.wal import LogDamaged
from everruns.storage.journal.file import JournalDamaged, JournalFromOtherVersion

_log = structlog.stdlib.get_logger(__name__)


@contextmanager
def opening(data_dir: Path) -> Generator[None]:
    """Translate errors while a data directory is opened into messages that say what to do.

    Raises:
        StoreUnavailable: The directory is in use or cannot be used.
    """
    try:
        yield
    except DUCKDB_ERRORS as error:
        detail = detail_of(error)
        _log.error("data directory unusable", data_dir=str(data_dir), error=loggable(error))
        raise StoreUnavailable(_what_to_do(data_dir, error, detail)) from None


def _what_to_do(data_dir: Path, error: Exception, detail: str) -> str:
    if (user := user_of_file(detail)) is not None:
        return (
            f"The data directory {data_dir} is in use by {user}. Stop that one, or choose another"
            " directory with EVERRUNS_DATA_DIR"
        )
    if is_full_disk(detail):
        return f"The disk of the data directory {data_dir} is full. Free some space on it"
    if isinstance(error, JournalFromOtherVersion):
        return (
            f"The journal in {data_dir} was left by another version of everruns. Start and stop"
            " that version once, so that the journal goes into the database; the log has the"
            " details"
        )
    if isinstance(error, JournalDamaged):
        return (
            f"The journal in {data_dir} is damaged, and the database lacks its entries. Restore a"
            " backup of both, or move the folder journal away to continue without the last"
            " moments before the server ended; the log has the details"
        )
    if isinstance(error, LogDamaged) or is_damage(detail):
        return (
            f"The database in {data_dir} is damaged. Restore a backup of it, or move the"
            " everruns.duckdb files away to start with an empty one; the log has the details"
        )
    return (
        f"The data directory {data_dir} cannot be used. Make sure that it is a directory this user"
        " can read and write; the log has the details"
    )
