"""The process that runs queries: an in-memory DuckDB over the files of the archive, locked.

It is a child of the process that keeps the archive (``everruns.tools.child_processes``): without
the store, the cluster, keys or an environment, with limits on memory and time, and replaced when
it breaks them.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Timer

import duckdb
import orjson

from everruns.archive.answers import (
    ENCODERS,
    PARQUET_PATH,
    Answer,
    AnswerTooLarge,
    Asked,
    NotShown,
    forbid_writing,
)
from everruns.archive.statements import Refused, check_statement
from everruns.archive.views import view_statements

MEMORY_LIMIT = "512MB"
THREADS = 2

INVALID, TIMED_OUT, OUT_OF_MEMORY, FILES_LOST = "invalid", "timed_out", "out_of_memory", "lost"
"""Why there is no answer."""


class Engine:
    """A database over one archive.

    Args:
        folder: The archive; no file outside can be read.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files: tuple[list[str], list[str]] | None = None
        self._database = duckdb.connect(
            config={
                "threads": THREADS,
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": "",
                # Which takes memory; who wants an order asks for it.
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_community_extensions": False,
                "allow_persistent_secrets": False,
                # Otherwise a name in a query could be a variable of this program.
                "python_enable_replacements": False,
            }
        )
        run = self._database.execute
        run("SET GLOBAL TimeZone = 'UTC'")
        run("SET GLOBAL parquet_metadata_cache = true")
        run("SET GLOBAL allowed_directories = ?", [[folder]])
        run("SET GLOBAL allowed_paths = ?", [[PARQUET_PATH]])
        # From here on no path can be added, and after the next line nothing can be set.
        run("SET GLOBAL enable_external_access = false")
        run("SET GLOBAL lock_configuration = true")

    def use(self, events: list[str], sessions: list[str]) -> None:
        """Let the views show these files."""
        if self._files != (events, sessions):
            self._files = None
            for statement in view_statements(events, sessions):
                self._database.execute(statement)
            self._files = events, sessions

    def answer(self, asked: Asked, form: str, timeout_s: float) -> Answer:
        """Run a query.

        Args:
            asked: The query, which can be any text.
            form: One of ``ENCODERS``.
            timeout_s: Seconds after which it is interrupted.

        Raises:
            Refused: It is not a query that is allowed.
            AnswerTooLarge: The answer cannot be shortened enough.
            NotShown: A value has no form in the answer.
            duckdb.Error: It failed.
        """
        # With one of its own for each query, what one leaves unread does not disturb the next.
        with self._database.cursor() as connection, _interrupted(connection, timeout_s):
            connection.execute("SELECT json_serialize_sql(?)", [asked.query])
            ((parsed,),) = connection.fetchall()
            check_statement(parsed)
            return ENCODERS[form](connection, asked)

    def explain(self, error: BaseException) -> tuple[str, str]:
        """Return why there is no answer, and a message without paths of this machine."""
        match error:
            case duckdb.InterruptException():
                return TIMED_OUT, ""
            case duckdb.OutOfMemoryException() | MemoryError():
                return OUT_OF_MEMORY, ""
            case duckdb.IOException():
                return FILES_LOST, str(error).replace(self._folder, "archive")
            case _:
                return INVALID, str(error).replace(self._folder, "archive")


@contextmanager
def _interrupted(connection: "duckdb.DuckDBPyConnection", after_s: float) -> Generator[None]:
    timer = Timer(after_s, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@cache
def engine_of(folder: str) -> Engine:
    """Return this process's database over an archive."""
    forbid_writing()
    return Engine(folder)


def answer_query(frames: Iterator[bytes]) -> bytes:
    """Run a query in this process.

    Args:
        frames: JSON: the ``folder`` of the archive, its files of ``events`` and ``sessions``, the
            fields of ``Asked``, ``form`` and ``timeout_s``.

    Returns:
        JSON on one line, then the content of the answer. The line has the other fields of
        ``Answer``, or ``failure`` and ``message``.
    """
    (frame,) = frames
    given = orjson.loads(frame)
    engine = engine_of(given["folder"])
    asked = Asked(given["query"], given["parameters"], given["max_rows"])
    try:
        engine.use(given["events"], given["sessions"])
        answer = engine.answer(asked, given["form"], given["timeout_s"])
    except (Refused, AnswerTooLarge, NotShown, duckdb.Error, MemoryError) as error:
        failure, message = engine.explain(error)
        return orjson.dumps({"failure": failure, "message": message}) + b"\n"
    return orjson.dumps(answer.facts()) + b"\n" + answer.content
