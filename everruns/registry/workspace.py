"""The workspace: the files of one session, under the rules of a file system.

The store keeps rows; this makes them files and directories. Nothing here touches the machine's own
disk. Each operation looks before it writes, so those of one workspace must not run side by side.
"""

import base64
import posixpath
import time
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase

from pydantic_core import SchemaError, SchemaValidator, core_schema

from everruns.domain.agents import InitialFile
from everruns.domain.base import KIB, MIB
from everruns.errors import InvalidRequest
from everruns.ids import ID_PATTERN, format_time, now_ms
from everruns.storage.base import Store, StoredFile
from everruns.storage.memory import MemoryStore
from everruns.tools.base import File, ToolError

MAX_PATH_BYTES = 4 * KIB
MAX_DEPTH = 64
MAX_FILE_BYTES = MIB
MAX_ENTRIES = 1000
MAX_WORKSPACE_BYTES = 64 * MIB

MAX_PATTERN_CHARACTERS = 1000
MAX_MATCHES = 1000
MAX_SEARCHED_CHARACTERS = 10_000
MAX_SHOWN_CHARACTERS = 500
GREP_TIMEOUT_S = 5.0


class Workspace:
    """The files of one session: ``everruns.tools.base.Files`` without the waiting.

    Args:
        store: Keeps the files.
        workspace_id: Whose files.
    """

    def __init__(self, store: Store, workspace_id: str) -> None:
        self._store = store
        self._id = workspace_id

    def read(self, path: str) -> File | None:
        """Return a file or directory with its content, or ``None``.

        Raises:
            ToolError: The path is not valid.
        """
        path = normalize_path(path)
        return self._root() if path == "/" else self._store.find_file(self._id, path)

    def write(
        self,
        path: str,
        content: bytes,
        encoding: str,
        *,
        is_readonly: bool = False,
    ) -> File:
        """Create or replace a file and the directories above it.

        Args:
            path: Where.
            content: All of it.
            encoding: ``text`` or ``base64``: how the content is to be shown.
            is_readonly: Whether it can be changed afterwards.

        Raises:
            ToolError: The path is a directory or read-only, or a limit is reached.
        """
        path = normalize_path(path)
        entries = {entry.path: entry for entry in self._store.list_files(self._id, "/")}
        old = entries.get(path)
        if path == "/" or (old is not None and old.is_directory):
            raise ToolError(f"Path '{path}' is a directory, not a file.")
        if old is not None and old.is_readonly:
            raise ToolError(f"File is read-only: {path}")
        now = format_time(now_ms())
        file = File(
            path=path,
            is_directory=False,
            is_readonly=is_readonly,
            encoding=encoding,
            size_bytes=len(content),
            created_at=now if old is None else old.created_at,
            updated_at=now,
            content=content,
        )
        written = [*_missing_directories(path, entries, now), file]
        _check_limits({**entries, **{entry.path: entry for entry in written}}, file)
        self._store.put_files([StoredFile(self._id, entry) for entry in written])
        return file

    def list(self, path: str, *, recursive: bool = False) -> list[File]:
        """Return what is in a directory, without contents, sorted by path.

        Raises:
            ToolError: There is no such directory.
        """
        path = normalize_path(path)
        if path != "/":
            directory = self._store.find_file(self._id, path)
            if directory is None:
                raise ToolError(f"Directory not found: {path}")
            if not directory.is_directory:
                raise ToolError(f"Path '{path}' is a file, not a directory. Use read_file instead.")
        prefix = path.rstrip("/") + "/"
        return [
            entry
            for entry in self._store.list_files(self._id, prefix)
            if recursive or "/" not in entry.path.removeprefix(prefix)
        ]

    def delete(self, path: str, *, recursive: bool = False) -> bool:
        """Delete a file or directory; return whether there was one.

        Raises:
            ToolError: A directory is not empty and ``recursive`` is false, or something to be
                deleted is read-only.
        """
        path = normalize_path(path)
        if path == "/":
            raise ToolError("The root directory cannot be deleted.")
        doomed = [
            entry
            for entry in self._store.list_files(self._id, path)
            if entry.path == path or entry.path.startswith(path + "/")
        ]
        if len(doomed) > 1 and not recursive:
            raise ToolError(f"Directory is not empty: {path}. Set recursive to delete it.")
        if readonly := next((entry for entry in doomed if entry.is_readonly), None):
            raise ToolError(f"File is read-only: {readonly.path}")
        return self._store.delete_files(self._id, [entry.path for entry in doomed]) > 0

    def grep(self, pattern: str, path_pattern: str | None) -> "list[tuple[str, int, str]]":
        """Return the matching lines of text files as (path, line number from 1, line).

        Long lines are searched in their first 10,000 characters and shown in their first 500; at
        most 1,000 lines are returned.

        Args:
            pattern: A regular expression of Rust's ``regex``, which has no look-around.
            path_pattern: Which files; see ``matches_path``.

        Raises:
            ToolError: The pattern is no regular expression, or the search takes too long.
        """
        is_match = _compile(pattern)
        deadline = time.monotonic() + GREP_TIMEOUT_S
        matches: list[tuple[str, int, str]] = []
        for file in self._store.list_files(self._id, "/", contents=True):
            if path_pattern is not None and not matches_path(file.path, path_pattern):
                continue
            for number, line in _lines(file):
                if is_match(line[:MAX_SEARCHED_CHARACTERS]):
                    matches.append((file.path, number, line[:MAX_SHOWN_CHARACTERS]))
                    if len(matches) == MAX_MATCHES:
                        return matches
                if time.monotonic() > deadline:
                    raise ToolError("The search takes too long. Give a path_pattern.")
        return matches

    def _root(self) -> File:
        """Return the root, which is always there; it is as old as the id of the workspace."""
        is_dated = ID_PATTERN.fullmatch(self._id) is not None
        time_ms = int(self._id.rpartition("_")[2][:12], 16) if is_dated else 0
        created_at = format_time(time_ms)
        return File("/", True, False, "text", 0, created_at, created_at)


def normalize_path(path: str) -> str:
    """Return the absolute path that a text means; a relative one starts at the root.

    Raises:
        ToolError: The path is empty, too long, too deep, or not valid Unicode without NUL.
    """
    if not path or "\0" in path:
        raise ToolError("Invalid path: it must not be empty or contain NUL characters")
    try:
        size_bytes = len(path.encode())
    except UnicodeEncodeError:
        raise ToolError("Invalid path: it is not valid Unicode") from None
    if size_bytes > MAX_PATH_BYTES:
        raise ToolError(f"Invalid path: longer than {MAX_PATH_BYTES} bytes")
    normal = posixpath.normpath("/" + path.lstrip("/"))
    if normal.count("/") > MAX_DEPTH:
        raise ToolError(f"Invalid path: deeper than {MAX_DEPTH} directories")
    return normal


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


def initial_files(workspace_id: str, files: Sequence[InitialFile]) -> list[StoredFile]:
    """Return what a new workspace holds, the directories above its files included.

    Raises:
        InvalidRequest: A path or content is not valid, or the files break a limit.
    """
    store = MemoryStore()
    workspace = Workspace(store, workspace_id)
    for position, file in enumerate(files):
        try:
            content = (
                base64.b64decode(file.content, validate=True)
                if file.encoding == "base64"
                else file.content.encode()
            )
            workspace.write(file.path, content, file.encoding, is_readonly=file.is_readonly)
        except ToolError as error:
            raise InvalidRequest(f"initial_files.{position}: {error}") from None
        except ValueError:
            reason = f"the content is no valid {file.encoding}"
            raise InvalidRequest(f"initial_files.{position}: {reason}") from None
    entries = store.list_files(workspace_id, "/", contents=True)
    return [StoredFile(workspace_id, entry) for entry in entries]


def _missing_directories(path: str, entries: dict[str, File], now: str) -> Iterator[File]:
    """Make the directories above a path that are not there yet."""
    names = path.split("/")[1:-1]
    for depth in range(1, len(names) + 1):
        parent = "/" + "/".join(names[:depth])
        entry = entries.get(parent)
        if entry is None:
            yield File(parent, True, False, "text", 0, now, now)
        elif not entry.is_directory:
            raise ToolError(f"Path '{parent}' is a file, not a directory.")


def _check_limits(entries: dict[str, File], file: File) -> None:
    if file.size_bytes > MAX_FILE_BYTES:
        raise ToolError(f"File is too large: {file.size_bytes} bytes, at most {MAX_FILE_BYTES}")
    if len(entries) > MAX_ENTRIES:
        raise ToolError(f"Too many files: at most {MAX_ENTRIES} files and directories")
    if sum(entry.size_bytes for entry in entries.values()) > MAX_WORKSPACE_BYTES:
        raise ToolError(f"The file system is full: at most {MAX_WORKSPACE_BYTES} bytes")


def _lines(file: File) -> Iterator[tuple[int, str]]:
    """Number the lines of a text file; other files have none."""
    try:
        text = file.content.decode()
    except UnicodeDecodeError:
        return
    if text and "\0" not in text:
        for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
            yield number, line.removesuffix("\r")


def _compile(pattern: str) -> Callable[[str], bool]:
    """Compile a regular expression whose search time grows with the text alone.

    Python's ``re`` can be kept busy for hours by ``(a+)+b``, and the process with it. Pydantic's
    validators bring an engine that cannot, Rust's ``regex``.
    """
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise ToolError(f"Invalid regex pattern: longer than {MAX_PATTERN_CHARACTERS} characters")
    schema = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
    try:
        return SchemaValidator(schema).isinstance_python
    except SchemaError as error:
        reason = str(error).rpartition("error: ")[2].rpartition("SchemaError: ")[2].strip()
        raise ToolError(f"Invalid regex pattern: {reason}") from None
