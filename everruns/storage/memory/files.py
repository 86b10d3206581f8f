"""Files of workspaces in memory."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from everruns.domain.files import File
from everruns.storage.files import StoredFile
from everruns.storage.memory.contents import Contents


class MemoryFiles:
    """Implements ``FileStore``."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def find(self, workspace_id: str, path: str) -> File | None:
        """Return a file or directory with its content."""
        with self._contents.lock:
            return self._contents.files.get((workspace_id, path))

    def read(self, workspace_id: str, paths: Collection[str]) -> list[File]:
        """Return the existing files at exactly these paths, sorted by path."""
        with self._contents.lock:
            found = [self._contents.files.get((workspace_id, path)) for path in sorted(set(paths))]
        return [file for file in found if file is not None]

    def put(self, files: Sequence[StoredFile]) -> None:
        """Store files and directories, replacing those with the same path."""
        with self._contents.lock:
            self._contents.put_files(files)

    def delete(self, workspace_id: str, paths: Collection[str]) -> int:
        """Delete the files at exactly these paths; return how many existed."""
        with self._contents.lock:
            return self._delete(workspace_id, paths)

    def _delete(self, workspace_id: str, paths: Collection[str]) -> int:
        found = [path for path in set(paths) if (workspace_id, path) in self._contents.files]
        for path in found:
            del self._contents.files[workspace_id, path]
        return len(found)

    def exchange(self, workspace_id: str, gone: Collection[str], new: Sequence[File]) -> None:
        """Delete the files at some paths and store others in one transaction."""
        with self._contents.lock:
            self._delete(workspace_id, gone)
            self._contents.put_files([StoredFile(workspace_id, file) for file in new])

    def list(self, workspace_id: str, prefix: str, *, contents: bool = False) -> list[File]:
        """Return the files and directories whose path begins with ``prefix``, sorted by path."""
        with self._contents.lock:
            files = [
                file
                for (workspace, path), file in self._contents.files.items()
                if workspace == workspace_id and path.startswith(prefix)
            ]
        if not contents:
            files = [replace(file, content=b"") for file in files]
        return sorted(files, key=lambda file: file.path)
