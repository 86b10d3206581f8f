"""Searching text with regular expressions; runs in a child process.

Patterns may be hostile: even an engine without exponential backtracking, such as Rust's ``regex``,
takes seconds for one line if a pattern nests repetitions.
"""

import posixpath
import struct
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase

import orjson
from pydantic_core import SchemaError, SchemaValidator, core_schema

MAX_MATCHES = 1000
MAX_SEARCHED_CHARACTERS = 10_000
MAX_SHOWN_CHARACTERS = 500

_PATH_LENGTH = struct.Struct("!I")


def file_frame(path: str, content: bytes) -> bytes:
    """Encode a file for ``find_lines``."""
    name = path.encode()
    return _PATH_LENGTH.pack(len(name)) + name + content


def find_lines(frames: Iterator[bytes]) -> bytes:
    """Find the lines of text files that a pattern matches.

    Long lines are searched in their first 10,000 characters and shown in their first 500; at most
    1,000 lines are found.

    Args:
        frames: A regular expression of Rust's ``regex``, which has no look-around, then files as
            ``file_frame`` writes them.

    Returns:
        JSON: ``{"lines": [[path, line number from 1, line], …]}``, or ``{"invalid": reason}`` if
        the pattern is not a regular expression.
    """
    try:
        is_match = _matcher(next(frames).decode())
    except SchemaError as error:
        reason = str(error).rpartition("error: ")[2].rpartition("SchemaError: ")[2].strip()
        return orjson.dumps({"invalid": reason})
    lines: list[tuple[str, int, str]] = []
    for frame in frames:
        (length,) = _PATH_LENGTH.unpack_from(frame)
        start = _PATH_LENGTH.size + length
        path = frame[_PATH_LENGTH.size : start].decode()
        for number, line in _lines(frame[start:]):
            if is_match(line[:MAX_SEARCHED_CHARACTERS]):
                lines.append((path, number, line[:MAX_SHOWN_CHARACTERS]))
                if len(lines) == MAX_MATCHES:
                    return orjson.dumps({"lines": lines})
    return orjson.dumps({"lines": lines})


def find_paths(frames: Iterator[bytes]) -> bytes:
    """Find the paths that match a path pattern; see ``matches_path``.

    Args:
        frames: The pattern, then the paths as a JSON list.

    Returns:
        The matching paths, as a JSON list.
    """
    pattern = next(frames).decode()
    paths: Sequence[str] = orjson.loads(next(frames))
    return orjson.dumps([path for path in paths if matches_path(path, pattern)])


def matches_path(path: str, pattern: str) -> bool:
    """Tell whether a file matches a path pattern.

    A pattern without ``*``, ``?`` and ``[`` matches every path that contains it. With them it is
    matched against the file's name, or against the whole path if it contains a ``/``; ``*`` then
    spans directories too.
    """
    if not any(wildcard in pattern for wildcard in "*?["):
        return pattern in path
    if "/" not in pattern:
        return fnmatchcase(posixpath.basename(path), pattern)
    return fnmatchcase(path, "/" + pattern.lstrip("/").replace("**/", "*"))


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    """Number the lines of a text file; binary files have none."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return
    if text and "\0" not in text:
        for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
            yield number, line.removesuffix("\r")


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Compile a regular expression with the engine that comes with pydantic.

    Python's own engine can take hours on ``(a+)+b``.
    """
    schema = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
    return SchemaValidator(schema).isinstance_python
