"""The rules of files: valid paths, read-only files and size limits."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence

from everruns.domain.base import KIB, MIB
from everruns.domain.files import File
from everruns.errors import Conflict, EverrunsError, InvalidFile, TooLarge
from everruns.tools.base import ToolError

MAX_PATH_BYTES = 4 * KIB
MAX_DEPTH = 64
MAX_FILE_BYTES = MIB
MAX_ENTRIES = 1000
MAX_WORKSPACE_BYTES = 64 * MIB
# The API's URLs address actions under this directory, so files in it would be unreachable.
RESERVED = "/_"


class FileRefused(ToolError):
    """A file operation was refused.

    Args:
        message: What was refused and why, in words that a model understands too.
        cause: The error for callers that are not tools.
    """

    def __init__(self, message: str, cause: type[EverrunsError] = Conflict) -> None:
        super().__init__(message, cause)
        self.cause = cause

    def __str__(self) -> str:
        return str(self.args[0])


def normalize_path(path: str) -> str:
    """Normalize a path to its absolute form; a relative path starts at the root.

    Raises:
        FileRefused: The path is empty, too long, too deep, or not valid Unicode without NUL.
    """
    if not path or "\0" in path:
        raise FileRefused(
            "Invalid path: it must not be empty or contain NUL characters", InvalidFile
        )
    try:
        size_bytes = len(path.encode())
    except UnicodeEncodeError:
        raise FileRefused("Invalid path: it is not valid Unicode", InvalidFile) from None
    if size_bytes > MAX_PATH_BYTES:
        raise FileRefused(f"Invalid path: longer than {MAX_PATH_BYTES} bytes", InvalidFile)
    normal = posixpath.normpath("/" + path.lstrip("/"))
    if normal.count("/") > MAX_DEPTH:
        raise FileRefused(f"Invalid path: deeper than {MAX_DEPTH} directories", InvalidFile)
    return normal


def is_below(path: str, directory: str) -> bool:
    """Tell whether a path is in a directory, at any depth."""
    return path.startswith(directory + "/")


def refuse_reserved(new: Iterable[File]) -> None:
    """Refuse to store anything at a path that no URL can address.

    Args:
        new: The new entries, with normalized paths.

    Raises:
        FileRefused: A path is under ``/_``, which is reserved for actions.
    """
    if any(entry.path == RESERVED or is_below(entry.path, RESERVED) for entry in new):
        raise FileRefused(f"Paths under {RESERVED} are reserved for actions", InvalidFile)


def refuse_readonly(entries: Iterable[File]) -> None:
    """Refuse a change if one of these files is read-only.

    Raises:
        FileRefused: One is.
    """
    if readonly := next((entry for entry in entries if entry.is_readonly), None):
        raise FileRefused(f"File is read-only: {readonly.path}")


def missing_directories(path: str, entries: Mapping[str, File], now: str) -> Iterator[File]:
    """Yield the missing parent directories of a path.

    Raises:
        FileRefused: A parent is a file, not a directory.
    """
    names = path.split("/")[1:-1]
    for depth in range(1, len(names) + 1):
        parent = "/" + "/".join(names[:depth])
        entry = entries.get(parent)
        if entry is None:
            yield File(parent, True, False, "text", 0, now, now)
        elif not entry.is_directory:
            raise FileRefused(f"Path '{parent}' is a file, not a directory.")


def check_limits(new: Sequence[File], entries: Mapping[str, File]) -> None:
    """Refuse new entries that would break a limit together with the existing ones.

    Raises:
        FileRefused: A file is too large, or the workspace would hold too many entries or bytes.
    """
    for file in new:
        if file.size_bytes > MAX_FILE_BYTES:
            raise FileRefused(
                f"File is too large: {file.size_bytes} bytes, at most {MAX_FILE_BYTES}", TooLarge
            )
    together = {**entries, **{entry.path: entry for entry in new}}
    if len(together) > MAX_ENTRIES:
        raise FileRefused(f"Too many files: at most {MAX_ENTRIES} files and directories")
    if sum(entry.size_bytes for entry in together.values()) > MAX_WORKSPACE_BYTES:
        raise FileRefused(f"The file system is full: at most {MAX_WORKSPACE_BYTES} bytes")
