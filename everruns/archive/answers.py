"""Answers to queries as bytes: JSON, CSV or Parquet, of at most so many rows and bytes."""

import csv
import io
import os
import re
import resource
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import duckdb
import orjson

# Nothing else of the product is imported here: every process that runs queries would wait for it.

MAX_BYTES = 10 * 1024 * 1024
ROWS_AT_ONCE = 100
"""So many rows are fetched at a time: they may be wide."""

MAX_INTEGER = 2**63 - 1


class AnswerTooLarge(Exception):
    """An answer is larger than it can be, whatever its number of rows; the message says so."""

    def __init__(self) -> None:
        super().__init__("The answer has more than 10 MB in one row, or as a file. Select less.")


class NotShown(Exception):
    """A value has no form in JSON or CSV; the message says what to do."""

    def __init__(self) -> None:
        super().__init__(
            "A value is too large or nested too deeply for an answer. Cast it to VARCHAR."
        )


@dataclass(frozen=True)
class Answer:
    """An answer.

    Attributes:
        content: The answer in the form that was asked for.
        rows: How many rows it has.
        is_truncated: Whether there are more than it may have.
        duration_ms: How long it took, in milliseconds.
    """

    content: bytes
    rows: int
    is_truncated: bool
    duration_ms: int

    def facts(self) -> dict[str, int]:
        """Return the fields besides the content."""
        return {name: value for name, value in vars(self).items() if name != "content"}


@dataclass(frozen=True)
class Asked:
    """A query that may be run.

    Attributes:
        query: One SELECT.
        parameters: The values of its parameters.
        max_rows: How many rows the answer may have.
    """

    query: str
    parameters: list[Any]
    max_rows: int


Encoder = Callable[["duckdb.DuckDBPyConnection", Asked], Answer]


def as_json(connection: "duckdb.DuckDBPyConnection", asked: Asked) -> Answer:
    """Return an answer as a JSON object: ``columns``, ``rows``, ``truncated``, ``duration_ms``."""
    began = time.monotonic()
    result = connection.execute(asked.query, asked.parameters or None)
    columns = [{"name": name, "type": kind} for name, kind in _columns(result)]
    rows = _Bounded(_rows(result), asked.max_rows)
    joined = b",".join(rows.encoded(_json_row))
    duration_ms = _since(began)
    facts = orjson.dumps(
        {"columns": columns, "truncated": rows.is_truncated, "duration_ms": duration_ms}
    )
    content = facts[:-1] + b',"rows":[' + joined + b"]}"
    return Answer(content, rows.count, rows.is_truncated, duration_ms)


def as_csv(connection: "duckdb.DuckDBPyConnection", asked: Asked) -> Answer:
    """Return an answer as CSV with a line of names (RFC 4180)."""
    began = time.monotonic()
    result = connection.execute(asked.query, asked.parameters or None)
    header = _csv_row([name for name, _ in _columns(result)])
    rows = _Bounded(_rows(result), asked.max_rows)
    content = header + b"".join(rows.encoded(_csv_row))
    return Answer(content, rows.count, rows.is_truncated, _since(began))


def as_parquet(connection: "duckdb.DuckDBPyConnection", asked: Asked) -> Answer:
    """Return an answer as a file of Parquet, with the types of the database."""
    began = time.monotonic()
    relation = connection.sql(asked.query, params=asked.parameters or None)
    relation.limit(asked.max_rows + 1).create(_KEPT)
    try:
        found = connection.execute(f"SELECT count(*) FROM {_KEPT}").fetchone()
        count = found[0] if found else 0
        content = _file_of(connection, f"FROM {_KEPT} LIMIT {asked.max_rows}")
    finally:
        connection.execute(f"DROP TABLE {_KEPT}")
    if len(content) > MAX_BYTES:
        raise AnswerTooLarge
    rows = min(count, asked.max_rows)
    return Answer(content, rows, count > asked.max_rows, _since(began))


ENCODERS: Mapping[str, Encoder] = {"json": as_json, "csv": as_csv, "parquet": as_parquet}
"""The forms of an answer."""

_KEPT = "answer"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


# A file of Parquet


def _open_nameless_file() -> int:
    descriptor, path = tempfile.mkstemp()
    Path(path).unlink()
    return descriptor


_PARQUET_FILE = _open_nameless_file()
PARQUET_PATH = f"/dev/fd/{_PARQUET_FILE}"
"""The only file that the database may write, and only while the process lets it."""


def forbid_writing() -> None:
    """Let this process write no file; ``_writing`` lets it for a moment."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 2 * MAX_BYTES))


@contextmanager
def _writing() -> Generator[None]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MAX_BYTES, 2 * MAX_BYTES))
    try:
        yield
    finally:
        forbid_writing()


def _file_of(connection: "duckdb.DuckDBPyConnection", query: str) -> bytes:
    os.ftruncate(_PARQUET_FILE, 0)
    try:
        with _writing():
            connection.execute(
                f"COPY ({query}) TO '{PARQUET_PATH}' (FORMAT parquet, USE_TMP_FILE false)"
            )
    except duckdb.IOException:
        raise AnswerTooLarge from None
    return os.pread(_PARQUET_FILE, os.fstat(_PARQUET_FILE).st_size, 0)


# Rows


class _Bounded:
    """The first rows of an answer, as many as it may have.

    Attributes:
        count: How many were encoded.
        is_truncated: Whether there are more.
    """

    def __init__(self, rows: Iterator[tuple[Any, ...]], most: int) -> None:
        self._rows = rows
        self._most = most
        self.count = 0
        self.is_truncated = False

    def encoded(self, encode: Callable[[tuple[Any, ...]], bytes]) -> Iterator[bytes]:
        size_bytes = 0
        for row in self._rows:
            line = encode(row)
            size_bytes += len(line) + 1
            if self.count == self._most or size_bytes > MAX_BYTES:
                if self.count == 0:
                    raise AnswerTooLarge
                self.is_truncated = True
                return
            self.count += 1
            yield line


def _columns(result: "duckdb.DuckDBPyConnection") -> list[tuple[str, str]]:
    return [(column[0], str(column[1]).strip('"')) for column in result.description or []]


def _rows(result: "duckdb.DuckDBPyConnection") -> Iterator[tuple[Any, ...]]:
    try:
        while rows := result.fetchmany(ROWS_AT_ONCE):
            yield from rows
    except OverflowError:  # Of intervals, which are longer than those of Python.
        raise NotShown from None


def _csv_row(row: Any) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow([_csv_value(value) for value in row])
    return line.getvalue().encode()


def _csv_value(value: Any) -> Any:
    if isinstance(value, list | dict):
        return _json_row(value).decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    shown = value if value is None or isinstance(value, str | int | float) else _plain(value)
    return _as_text(shown) if isinstance(shown, str) else shown


def _as_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula.

    Titles, names of tools and what models have said are written by others than the person who opens
    the file.

    Source: OWASP, "CSV Injection".
    """
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def _json_row(row: Any) -> bytes:
    with suppress(TypeError):
        return orjson.dumps(row, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)
    # Keys that are not text, or whole numbers beyond 64 bits.
    try:
        return orjson.dumps(_plain(row))
    except (TypeError, RecursionError):
        raise NotShown from None


def _plain(value: Any) -> Any:
    """Return a value of the database as one of JSON. What JSON does not have becomes text."""
    match value:
        case list() | tuple():
            return [_plain(one) for one in cast("list[Any]", value)]
        case dict():
            entries = cast("dict[Any, Any]", value).items()
            return {
                name if isinstance(name, str) else str(_plain(name)): _plain(one)
                for name, one in entries
            }
        case None | str() | float() | bool():
            shown: Any = value
        case int():
            shown = value if abs(value) <= MAX_INTEGER else str(value)
        case Decimal():
            shown = float(value)
        case datetime():
            shown = _moment(value)
        case timedelta():
            shown = _interval(value)
        case bytes():
            shown = b64encode(value).decode()
        case _:
            # Days among them, as YYYY-MM-DD.
            shown = str(value)
    return shown


def _moment(value: datetime) -> str:
    moment = value.astimezone(UTC) if value.tzinfo else value
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _interval(value: timedelta) -> str:
    """Return an interval as text: one that is negative as a positive one with a sign.

    Python would write a minute less as a day less and 23:59:00 more.
    """
    return f"-{-value}" if value < timedelta() else str(value)


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
