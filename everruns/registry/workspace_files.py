"""The files of a workspace, under the rules of a file system.

The store keeps rows; this module presents them as files and directories. Nothing here touches the
machine's disk. Each operation reads before it writes, so operations on one workspace must not run
concurrently.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from everruns.domain.agents import InitialFile
from everruns.domain.files import File, FileCondition
from everruns.errors import FileNotFound, InvalidRequest, PreconditionFailed
from everruns.ids import ID_PATTERN, format_time, now_ms
from everruns.registry.file_rules import (
    FileRefused,
    check_limits,
    is_below,
    missing_directories,
    normalize_path,
    refuse_readonly,
    refuse_reserved,
)
from everruns.storage.files import FileStore, StoredFile
from everruns.storage.memory.contents import Contents
from everruns.storage.memory.files import MemoryFiles
from everruns.tools.base import ToolError
from everruns.tools.content import decode_content


class WorkspaceFiles:
    """The files of one workspace: what ``everruns.tools.base.Files`` can do at once, and more.

    Every method raises ``FileRefused`` if a path is not valid.

    Args:
        files: Keeps the files.
        workspace_id: The workspace.
    """

    def __init__(self, files: FileStore, workspace_id: str) -> None:
        self._files = files
        self._id = workspace_id

    def read(self, path: str) -> File | None:
        """Return a file or directory with its content, or ``None``."""
        path = normalize_path(path)
        return self._root() if path == "/" else self._files.find(self._id, path)

    def require(self, path: str, condition: FileCondition) -> None:
        """Check that a condition holds of a path.

        Raises:
            FileRefused: It does not.
        """
        if condition.holds(self.read(path)):
            return
        if condition.match is None:
            raise FileRefused(
                f"File '{normalize_path(path)}' is there already. Choose another path, or read it"
                " and send its ETag as If-Match to replace it",
                PreconditionFailed,
            )
        raise FileRefused(
            f"File '{normalize_path(path)}' was changed or deleted since it was read. Read it"
            " again, and repeat the change with its new ETag",
            PreconditionFailed,
        )

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
            FileRefused: The path is a directory or read-only, or a limit is reached.
        """
        path = normalize_path(path)
        entries = self._entries()
        old = entries.get(path)
        if path == "/" or (old is not None and old.is_directory):
            raise FileRefused(f"Path '{path}' is a directory, not a file.")
        if old is not None:
            refuse_readonly([old])
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
        self._put([*missing_directories(path, entries, now), file], entries)
        return file

    def create(
        self, path: str, content: bytes, encoding: str, *, is_readonly: bool = False
    ) -> File:
        """Create a file at an unused path; see ``write``.

        Raises:
            FileRefused: The path is in use, or a limit is reached.
        """
        self._refuse_taken(path)
        return self.write(path, content, encoding, is_readonly=is_readonly)

    def create_directory(self, path: str) -> File:
        """Create a directory at an unused path, with its parents.

        Raises:
            FileRefused: The path is in use, or a limit is reached.
        """
        path = self._refuse_taken(path)
        entries = self._entries()
        new = list(missing_directories(f"{path}/", entries, format_time(now_ms())))
        self._put(new, entries)
        return new[-1]

    def update(
        self,
        path: str,
        content: bytes | None,
        encoding: str | None,
        is_readonly: bool | None,
    ) -> File:
        """Change an existing file; ``None`` leaves a field as it is.

        New content is text by default.

        Raises:
            FileRefused: There is none, it is a directory, it is read-only and not to be made
                writable, or a limit is reached.
        """
        old = self._get(path)
        if old.is_directory:
            raise FileRefused(f"Path '{old.path}' is a directory, not a file.")
        if is_readonly is not False:
            refuse_readonly([old])
        file = replace(
            old,
            content=old.content if content is None else content,
            size_bytes=old.size_bytes if content is None else len(content),
            encoding=encoding or (old.encoding if content is None else "text"),
            is_readonly=bool(is_readonly),
            updated_at=format_time(now_ms()),
        )
        self._put([file], self._entries())
        return file

    def move(self, source: str, target: str) -> File:
        """Move a file, or a directory with its contents, to an unused path.

        Raises:
            FileRefused: There is nothing to move, the target is in use, an entry to move is
                read-only, or a limit is reached.
        """
        source = self._get(source).path
        if source == "/":
            raise FileRefused("The root directory cannot be moved.")
        target = self._refuse_taken(target)
        if is_below(target, source):
            raise FileRefused(f"Directory '{source}' cannot be moved into itself.")
        moved = self._tree(source, contents=True)
        refuse_readonly(moved)
        gone = {entry.path for entry in moved}
        stay = {path: entry for path, entry in self._entries().items() if path not in gone}
        new = [
            *missing_directories(target, stay, format_time(now_ms())),
            *(
                replace(entry, path=normalize_path(target + entry.path.removeprefix(source)))
                for entry in moved
            ),
        ]
        self._check(new, stay)
        self._files.exchange(self._id, gone, new)
        return next(entry for entry in new if entry.path == target)

    def copy(self, source: str, target: str) -> File:
        """Copy a file to an unused path.

        Raises:
            FileRefused: There is no file to copy, the target is in use, or a limit is reached.
        """
        file = self._get(source)
        if file.is_directory:
            raise FileRefused(f"Path '{file.path}' is a directory: only files can be copied.")
        return self.create(target, file.content, file.encoding, is_readonly=file.is_readonly)

    def list(self, path: str, *, recursive: bool = False) -> list[File]:
        """Return the entries of a directory, without contents, sorted by path.

        Raises:
            FileRefused: The directory does not exist.
        """
        path = normalize_path(path)
        if path != "/":
            directory = self._files.find(self._id, path)
            if directory is None:
                raise FileRefused(f"Directory not found: {path}", FileNotFound)
            if not directory.is_directory:
                raise FileRefused(
                    f"Path '{path}' is a file, not a directory. Use read_file instead."
                )
        prefix = path.rstrip("/") + "/"
        return [
            entry
            for entry in self._files.list(self._id, prefix)
            if recursive or "/" not in entry.path.removeprefix(prefix)
        ]

    def delete(self, path: str, *, recursive: bool = False) -> bool:
        """Delete a file or directory; return whether there was one.

        Raises:
            FileRefused: A directory is not empty and ``recursive`` is false, or an entry to delete
                is read-only.
        """
        path = normalize_path(path)
        if path == "/":
            raise FileRefused("The root directory cannot be deleted.")
        doomed = self._tree(path)
        if len(doomed) > 1 and not recursive:
            raise FileRefused(f"Directory is not empty: {path}. Set recursive to delete it.")
        refuse_readonly(doomed)
        return self._files.delete(self._id, [entry.path for entry in doomed]) > 0

    def _get(self, path: str) -> File:
        file = self.read(path)
        if file is None:
            raise FileRefused(f"File not found: {path}", FileNotFound)
        return file

    def _refuse_taken(self, path: str) -> str:
        """Normalize a path and check that it is unused."""
        if self.read(path) is not None:
            raise FileRefused(f"Path '{path}' already exists.")
        return normalize_path(path)

    def _entries(self) -> dict[str, File]:
        """Return all entries by path, without contents."""
        return {entry.path: entry for entry in self._files.list(self._id, "/")}

    def _tree(self, path: str, *, contents: bool = False) -> "list[File]":
        """Return the entries at and below a path."""
        return [
            entry
            for entry in self._files.list(self._id, path, contents=contents)
            if entry.path == path or is_below(entry.path, path)
        ]

    def _put(self, new: Sequence[File], entries: Mapping[str, File]) -> None:
        self._check(new, entries)
        self._files.put([StoredFile(self._id, entry) for entry in new])

    def _check(self, new: Sequence[File], entries: Mapping[str, File]) -> None:
        """Apply the same rules to everything that is stored."""
        refuse_reserved(entry for entry in new if entry.path not in entries)
        check_limits(new, entries)

    def _root(self) -> File:
        """Return the root, which always exists; its age is that of the workspace's id."""
        is_dated = ID_PATTERN.fullmatch(self._id) is not None
        time_ms = int(self._id.rpartition("_")[2][:12], 16) if is_dated else 0
        created_at = format_time(time_ms)
        return File("/", True, False, "text", 0, created_at, created_at)


def initial_files(
    workspace_id: str, files: Sequence[InitialFile], there: Sequence[File] = ()
) -> list[StoredFile]:
    """Return what a new session adds to a workspace, including parent directories.

    Args:
        workspace_id: The workspace.
        files: The session's initial files.
        there: The existing entries, without contents; existing files stay as they are.

    Raises:
        InvalidRequest: A path or content is not valid, or the files break a limit.
    """
    kept = MemoryFiles(Contents())
    kept.put([StoredFile(workspace_id, entry) for entry in there])
    workspace = WorkspaceFiles(kept, workspace_id)
    taken = {entry.path for entry in there if not entry.is_directory}
    for position, file in enumerate(files):
        try:
            if normalize_path(file.path) not in taken:
                content = decode_content(file.content, file.encoding)
                workspace.write(file.path, content, file.encoding, is_readonly=file.is_readonly)
        except ToolError as error:
            raise InvalidRequest(f"initial_files.{position}: {error}") from None
    known = {entry.path for entry in there}
    entries = kept.list(workspace_id, "/", contents=True)
    return [StoredFile(workspace_id, entry) for entry in entries if entry.path not in known]
