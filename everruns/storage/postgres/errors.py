"""PostgreSQL's errors, and which calls may be made again at once."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

import psycopg
import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from everruns.errors import StoreUnavailable
from everruns.storage.failures import not_stored

POSTGRES_ERRORS = (SQLAlchemyError, psycopg.Error, OSError)

MAX_ATTEMPTS = 3
PAUSE_S = 0.01

# Source: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".
_COLLIDED = frozenset({"40001", "40P01"})  # serialization failure, deadlock
_READ_ONLY = "25006"
# No code of the server: the connection broke. The others: an administrator or a crash ended it.
_ENDED = frozenset({None, "57P01", "57P02", "08006"})
_DISK_FULL = "53100"
# Classes of errors whose texts are about the server and never about rows.
_OPERATIONAL = ("08", "25", "28", "3D", "40", "53", "55", "57", "58")

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")
Part = TypeVar("Part")

_log = structlog.stdlib.get_logger(__name__)


class Undone(Exception):
    """Nothing of a call was stored, for a reason that is probably gone when it is made again.

    It leaves this package as ``StoreUnavailable``; see ``repeating``.
    """


class Demoted(Undone):
    """The server can only be read, though it was the primary; a new connection may find that."""


@contextmanager
def answering(*, is_repeatable: bool) -> Generator[None]:
    """Translate the errors of a call.

    Args:
        is_repeatable: Whether the call may be made again after its connection was lost.

    Raises:
        Undone: The call may be made again at once.
        StoreUnavailable: The database did not answer or refused the call.
    """
    try:
        yield
    except POSTGRES_ERRORS as error:
        state = state_of(error)
        _log.error("database failed", error=detail_of(error))
        failure = not_stored(disk_full=state == _DISK_FULL)
        if state == _READ_ONLY:
            raise Demoted(failure.message) from None
        if state in _COLLIDED or (is_repeatable and _is_lost(error)):
            raise Undone(failure.message) from None
        raise failure from None


def detail_of(error: Exception) -> str:
    """Return the class and code of an error, and its text if that cannot quote a row."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = state_of(error)
    name = f"{type(cause).__name__} {state or ''}".strip()
    # libpq's texts about connections name hosts, users and databases, but no passwords. Those about
    # an address that it cannot read quote it.
    is_quotable = (
        isinstance(cause, psycopg.OperationalError | OSError)
        if state is None
        else state.startswith(_OPERATIONAL)
    )
    return f"{name}: {' '.join(str(cause).split())}" if is_quotable else name


def _is_lost(error: Exception) -> bool:
    """Tell whether an error is that a connection ended, and not what was asked over it."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    return isinstance(error, psycopg.OperationalError) and error.sqlstate in _ENDED


def state_of(error: Exception) -> str | None:
    """Return PostgreSQL's code of an error, if it gave one."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return cause.sqlstate if isinstance(cause, psycopg.Error) else None


def repeated(call: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """Return a call that is made again, a few times, if it was undone."""

    @wraps(call)
    def repeat(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                return call(*args, **kwargs)
            except Undone as undone:
                if attempt == MAX_ATTEMPTS:
                    raise StoreUnavailable(str(undone)) from None
                time.sleep(attempt * PAUSE_S)
        raise AssertionError

    return repeat


def repeating(part: Part) -> Part:
    """Return a part of a store whose calls are made again, a few times, if they were undone."""
    return cast("Part", _Repeating(part))


class _Repeating:
    def __init__(self, part: Any) -> None:
        self._part = part
        kind = part.__class__
        for name in dir(kind):
            if not name.startswith("_") and callable(getattr(kind, name)):
                setattr(self, name, repeated(getattr(part, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)
