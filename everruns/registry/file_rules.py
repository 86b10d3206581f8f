"""The rules of files: what a path is, what may be changed, and how much there may be."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence

from everruns.domain.base import KIB, MIB
from everruns.errors import Conflict, EverrunsError, InvalidFile, TooLarge
from everruns.tools.base import File, ToolError

MAX_PATH_BYTES = 4 * KIB
MAX_DEPTH = 64
MAX_FILE_BYTES = MIB
MAX_ENTRIES = 1000
MAX_WORKSPACE_BYTES = 64 * MIB
# URLs of the API address actions under this directory, so that they could address no file there.
RESERVED = "/_"


class FileRefused(ToolError):
    """An operation on files was refused.

    Args:
        message: What and why, in words that a model understands too.
        cause: What it is to those who are no tools.
    """

    def __init__(self, message: str, cause: type[EverrunsError] = Conflict) -> None:
        super().__init__(message, cause)
        self.cause = cause

    def __str__(self) -> str:
        return str(self.args[0])


def normalize_path(path: str) -> str:
    """Return the absolute path that a text means; a relative one starts at the root.

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
    """Refuse to store anything where no URL would address it.

    Args:
        new: What is to be stored, with paths in their normal form.

    Raises:
        FileRefused: A path is under ``/_``, which is reserved for actions.
    """
    if any(entry.path == RESERVED or is_below(entry.path, RESERVED) for entry in new):
        raise FileRefused(f"Paths under {RESERVED} are reserved for actions", InvalidFile)


def refuse_readonly(entries: Iterable[File]) -> None:
    """Refuse a change of these if one of them is read-only.

    Raises:
        FileRefused: One is.
    """
    if readonly := next((entry for entry in entries if entry.is_readonly), None):
        raise FileRefused(f"File is read-only: {readonly.path}")


def missing_directories(path: str, entries: Mapping[str, File], now: str) -> Iterator[File]:
    """Make the directories above a path that are not there yet.

    Raises:
        FileRefused: A file is where a directory would have to be.
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
    """Refuse new entries that break a limit together with those that are there already.

    Raises:
        FileRefused: A file is too large, or there would be too many, or too much in all.
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
