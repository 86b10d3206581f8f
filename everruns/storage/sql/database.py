"""What a database must do for the store in SQL."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection

Transactions = Callable[[], AbstractContextManager[Connection]]
"""Opens a transaction that is committed at the end, unless an exception is raised."""


class Database(Protocol):
    """A database that has the tables; it translates its errors to ``StoreUnavailable``."""

    def reading(self) -> AbstractContextManager[Connection]:
        """Open a read-only transaction."""
        ...

    def writing(self) -> AbstractContextManager[Connection]:
        """Open a transaction that is committed at the end, unless an exception is raised."""
        ...

    def copying(self) -> AbstractContextManager[Transactions]:
        """Connect for several transactions, one after another, that copy rows.

        Nobody else may write what they write, so that others write until one commits. Temporary
        tables last as long as the context.
        """
        ...

    def copy_to(self, target: Path) -> None:
        """Write a copy of the database, as it is at one moment, into a new file.

        Raises:
            StoreUnavailable: The database did not answer, or the file cannot be written.
        """
        ...

    def close(self) -> None:
        """Close the database, after the writing transaction."""
        ...
