"""A session's files, kept by the registry."""

from collections.abc import Sequence

from everruns.domain.files import File
from everruns.registry.files import Files


class SessionFiles:
    """The ``Files`` that the tools of a session see; each operation is one call of the registry.

    Args:
        files: The registry's files.
        workspace_id: The session's workspace.
    """

    def __init__(self, files: Files, workspace_id: str) -> None:
        self._files = files
        self._id = workspace_id

    async def read(self, path: str) -> File | None:
        """See ``Files.read``."""
        return await self._files.read(self._id, path, by_tool=True)

    async def write(self, path: str, content: bytes, encoding: str) -> File:
        """See ``Files.write``."""
        return await self._files.write(self._id, path, content, encoding, by_tool=True)

    async def list(self, path: str, *, recursive: bool = False) -> list[File]:
        """See ``Files.list``."""
        return await self._files.list(self._id, path, recursive=recursive, by_tool=True)

    async def delete(self, path: str, *, recursive: bool = False) -> bool:
        """See ``Files.delete``."""
        return await self._files.delete(self._id, path, recursive=recursive, by_tool=True)

    async def grep(self, pattern: str, path_pattern: str | None) -> Sequence[tuple[str, int, str]]:
        """See ``Files.grep``."""
        return await self._files.grep(self._id, pattern, path_pattern, by_tool=True)
