"""The log: one line of JSON an event, on the process's standard error.

A line has the ids of the work that wrote it: of the request, the call from another process, or the
turn. It has nothing that users, models, tools, providers or other servers have said, and no key:
whoever may read logs need not be allowed to read conversations. That is why exceptions are logged
without their messages, which quote what they are about, and libraries' log lines without theirs.
"""

import json
import logging
import sys
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import Context, ContextVar, copy_context
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
import structlog
from structlog.typing import EventDict

from everruns.errors import EverrunsError
from everruns.log_exceptions import describe_exception
from everruns.log_output import GatheringLogger

LogLevel = Literal["debug", "info", "warning", "error"]

_LEVELS: Mapping[str, int] = logging.getLevelNamesMapping()

_ids: ContextVar[Mapping[str, str]] = ContextVar("log_ids", default={})  # noqa: B039 - never changed

library_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def configure_log(level: LogLevel = "info", *, actor: str = "", node: str = "") -> None:
    """Set up logging for this process, also of what libraries log and of threads that fail.

    Args:
        level: The lowest level that is logged.
        actor: The process's name, such as ``session-actor-0``; it is on every line.
        node: The node that it is on; the same.
    """
    process = {name: value for name, value in (("actor", actor), ("node", node)) if value}
    output = GatheringLogger(sys.stderr, _as_json)

    class Lines(structlog.make_filtering_bound_logger(_LEVELS[level.upper()])):
        # One step in place of a chain of them: a request costs a line, and so does a turn.
        def _proxy_to_logger(
            self, method_name: str, event: str | None = None, **fields: Any
        ) -> None:
            line = replace_exception(None, method_name, add_ids(None, method_name, fields))
            line.update(process, event=event, level=method_name, timestamp=datetime.now(UTC))
            getattr(output, method_name)(line)

    structlog.configure(
        wrapper_class=Lines,
        logger_factory=lambda *_: output,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_LibraryLines()]
    root.setLevel(logging.WARNING)
    threading.excepthook = _log_failed_thread


# The ids of work


def current_ids() -> Mapping[str, str]:
    """Return the ids that lines are logged with now."""
    return _ids.get()


def working_on(ids: Mapping[str, str]) -> AbstractContextManager[None]:
    """Log with these ids and no others: a piece of work begins here."""
    return _Work(ids)


class _Work:
    # A class of its own: a context manager made of a generator takes three times as long to enter
    # and leave.

    __slots__ = ("_before", "_given")

    def __init__(self, ids: Mapping[str, str]) -> None:
        self._given = ids

    def __enter__(self) -> None:
        self._before = _ids.set(self._given)

    def __exit__(self, *_raised: object) -> None:
        _ids.reset(self._before)


def no_ids() -> Context:
    """Return a context for a task that works for more than the one who happens to start it."""
    context = copy_context()
    context.run(_ids.set, {})
    return context


def add_ids(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Add the ids of the work that logs, unless the line has its own: a processor."""
    return {**_ids.get(), **event}


# What others report


def error_kind(error: BaseException) -> str:
    """Return what kind of error this is: the code of one of ours, else its class.

    For an error of the operating system, what the system calls it is added; for one that was raised
    from another, the class of that one. Messages are left out, since they may quote what somebody
    has said, or addresses with their passwords.
    """
    if isinstance(error, EverrunsError):
        return error.code
    name = type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        return f"{name}: {error.strerror}"
    return f"{name} of {type(error.__cause__).__name__}" if error.__cause__ else name


def replace_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Put the description of an exception in its place: a processor."""
    exc_info = event.pop("exc_info", None)
    if not exc_info:
        return event
    error = exc_info if isinstance(exc_info, BaseException) else sys.exc_info()[1]
    if error is not None:
        event["exception"] = describe_exception(error)
    return event


def _as_json(line: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(line, _shown, orjson.OPT_UTC_Z).decode()
    except TypeError:  # A text with half of a surrogate pair, or a number of more than 64 bits.
        return _as_lenient_json(line)


def _as_lenient_json(line: Mapping[str, Any]) -> str:
    try:
        return json.dumps(line, default=_shown, skipkeys=True)
    except (TypeError, ValueError, RecursionError) as error:  # Others were gathered with it.
        kept = {name: _shown(line[name]) for name in ("event", "level", "timestamp")}
        return json.dumps({**kept, "unencodable": error_kind(error)})


def _shown(value: object) -> str:
    """Return what a line has in place of a value that JSON does not know."""
    match value:
        case str():
            return value
        case BaseException():
            return error_kind(value)
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case _:
            return repr(value)


class _LibraryLines(logging.Handler):
    """Logs that a library has logged something, and where in its source: not the text itself."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record."""
        library_log.log(
            record.levelno,
            "library log",
            library=record.name,
            place=f"{record.pathname}:{record.lineno}",
            exc_info=record.exc_info[1] if record.exc_info else None,
        )


def _log_failed_thread(failed: threading.ExceptHookArgs) -> None:
    library_log.error("thread failed", exc_info=failed.exc_value)
