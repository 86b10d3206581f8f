"""What a store promises about the files of workspaces."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from everruns.domain.files import File


@dataclass(frozen=True)
class StoredFile:
    """A file with its workspace."""

    workspace_id: str
    file: File


class FileStore(Protocol):
    """Keeps files and directories by their workspace and path."""

    def find(self, workspace_id: str, path: str) -> File | None:
        """Return a file or directory with its content."""
        ...

    def read(self, workspace_id: str, paths: Collection[str]) -> list[File]:
        """Return the existing files at exactly these paths, sorted by path."""
        ...

    def put(self, files: Sequence[StoredFile]) -> None:
        """Store files and directories, replacing those with the same path."""
        ...

    def delete(self, workspace_id: str, paths: Collection[str]) -> int:
        """Delete the files at exactly these paths; return how many existed."""
        ...

    def exchange(self, workspace_id: str, gone: Collection[str], new: Sequence[File]) -> None:
        """Delete the files at some paths and store others in one transaction."""
        ...

    def list(self, workspace_id: str, prefix: str, *, contents: bool = False) -> list[File]:
        """Return the files and directories whose path begins with ``prefix``, sorted by path."""
        ...
