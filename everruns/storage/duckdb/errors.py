"""DuckDB's errors, which it tells apart by their texts alone."""

import re
from collections.abc import Generator
from contextlib import contextmanager

import duckdb
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from everruns.storage.duckdb.error_texts import detail_of, loggable
from everruns.storage.failures import not_stored

DUCKDB_ERRORS = (SQLAlchemyError, duckdb.Error, OSError)

_log = structlog.stdlib.get_logger(__name__)


@contextmanager
def answering(engine: Engine) -> Generator[None]:
    """Translate the errors of a call.

    Raises:
        StoreUnavailable: The database did not answer or refused the call.
    """
    try:
        yield
    except DUCKDB_ERRORS as error:
        detail = detail_of(error)
        _log.error("database failed", error=loggable(error))
        if isinstance(getattr(error, "orig", error), duckdb.FatalException):
            # DuckDB fails every call until its file is closed and reopened.
            engine.dispose()
        raise not_stored(disk_full=is_full_disk(detail)) from None


def user_of_file(detail: str) -> str | None:
    """Return who has the file open if that is what an error says."""
    if "Could not set lock" not in detail:
        return None
    holder = re.search(r"\(PID (\d+)\)", detail)
    return f"process {holder[1]}" if holder else "another process"


def is_damage(detail: str) -> bool:
    """Tell whether an error says that the file is damaged."""
    signs = ("not a valid DuckDB", "Could not read enough bytes", "WAL", "orrupt")
    return any(sign in detail for sign in signs)


def is_full_disk(detail: str) -> bool:
    """Tell whether an error says that the disk is full."""
    return "No space left" in detail or "File too large" in detail or "quota exceeded" in detail
