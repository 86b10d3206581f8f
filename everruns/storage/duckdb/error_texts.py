"""What is said of an error of DuckDB, by those that have no SQLAlchemy too."""

import duckdb

FILE_ERRORS = (duckdb.IOException, duckdb.ConnectionException, duckdb.OutOfMemoryException, OSError)


def detail_of(error: Exception) -> str:
    """Return the class and the text of an error, without the rows that it is about."""
    return f"{type(error).__name__}: {getattr(error, 'orig', None) or error}"


def loggable(error: Exception) -> str:
    """Return the class of an error, and its text if that is about files and never about rows."""
    cause = getattr(error, "orig", None) or error
    return detail_of(error) if isinstance(cause, FILE_ERRORS) else type(cause).__name__
