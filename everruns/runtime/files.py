"""A session's files, kept by the registry."""

from collections.abc import Sequence

from everruns.registry.sessions import Sessions
from everruns.tools.base import File


class SessionFiles:
    """The ``Files`` of one workspace; each operation is one call of the registry."""

    def __init__(self, sessions: Sessions, workspace_id: str) -> None:
        self._sessions = sessions
        self._workspace_id = workspace_id

    async def read(self, path: str) -> File | None:
        """See ``Files.read``."""
        return await self._sessions.file(self._workspace_id, "read", path)

    async def write(self, path: str, content: bytes, encoding: str) -> File:
        """See ``Files.write``."""
        return await self._sessions.file(self._workspace_id, "write", path, content, encoding)

    async def list(self, path: str, *, recursive: bool = False) -> list[File]:
        """See ``Files.list``."""
        return await self._sessions.file(self._workspace_id, "list", path, recursive=recursive)

    async def delete(self, path: str, *, recursive: bool = False) -> bool:
        """See ``Files.delete``."""
        return await self._sessions.file(self._workspace_id, "delete", path, recursive=recursive)

    async def grep(self, pattern: str, path_pattern: str | None) -> Sequence[tuple[str, int, str]]:
        """See ``Files.grep``."""
        return await self._sessions.grep(self._workspace_id, pattern, path_pattern)
