"""Searching the content of files with regular expressions."""

import posixpath
import time
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase

from pydantic_core import SchemaError, SchemaValidator, core_schema

from everruns.errors import InvalidFile
from everruns.registry.file_rules import FileRefused
from everruns.tools.base import File

MAX_PATTERN_CHARACTERS = 1000
MAX_MATCHES = 1000
MAX_SEARCHED_CHARACTERS = 10_000
MAX_SHOWN_CHARACTERS = 500
GREP_TIMEOUT_S = 5.0


def search_files(
    files: Iterable[File], pattern: str, path_pattern: str | None
) -> list[tuple[str, int, str]]:
    """Return the matching lines of text files as (path, line number from 1, line).

    Long lines are searched in their first 10,000 characters and shown in their first 500; at most
    1,000 lines are returned.

    Args:
        files: With their contents.
        pattern: A regular expression of Rust's ``regex``, which has no look-around.
        path_pattern: Which files; see ``matches_path``.

    Raises:
        FileRefused: The pattern is no regular expression, or the search takes too long.
    """
    is_match = _matcher(pattern)
    deadline = time.monotonic() + GREP_TIMEOUT_S
    matches: list[tuple[str, int, str]] = []
    for file in files:
        if path_pattern is not None and not matches_path(file.path, path_pattern):
            continue
        for number, line in _lines(file):
            if is_match(line[:MAX_SEARCHED_CHARACTERS]):
                matches.append((file.path, number, line[:MAX_SHOWN_CHARACTERS]))
                if len(matches) == MAX_MATCHES:
                    return matches
            if time.monotonic() > deadline:
                raise FileRefused("The search takes too long. Give a path_pattern.", InvalidFile)
    return matches


def matches_path(path: str, pattern: str) -> bool:
    """Tell whether a file is meant by a pattern for paths.

    Without ``*``, ``?`` and ``[`` a pattern means every path that contains it. With them, it is
    compared to the file's name, or to the whole path if it contains a ``/``; ``*`` then spans
    directories too.
    """
    if not any(wildcard in pattern for wildcard in "*?["):
        return pattern in path
    if "/" not in pattern:
        return fnmatchcase(posixpath.basename(path), pattern)
    return fnmatchcase(path, "/" + pattern.lstrip("/").replace("**/", "*"))


def _lines(file: File) -> Iterator[tuple[int, str]]:
    """Number the lines of a text file; other files have none."""
    try:
        text = file.content.decode()
    except UnicodeDecodeError:
        return
    if text and "\0" not in text:
        for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
            yield number, line.removesuffix("\r")


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Compile a regular expression whose search time grows with the text alone.

    Python's ``re`` can be kept busy for hours by ``(a+)+b``, and the process with it. Pydantic's
    validators bring an engine that cannot, Rust's ``regex``.
    """
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise FileRefused(
            f"Invalid regex pattern: longer than {MAX_PATTERN_CHARACTERS} characters", InvalidFile
        )
    schema = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
    try:
        return SchemaValidator(schema).isinstance_python
    except SchemaError as error:
        reason = str(error).rpartition("error: ")[2].rpartition("SchemaError: ")[2].strip()
        raise FileRefused(f"Invalid regex pattern: {reason}", InvalidFile) from None
