"""The files of workspaces, for clients and for the tools of sessions."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from everruns.domain.files import File, FileCondition
from everruns.domain.idempotency import Idempotency
from everruns.domain.workspaces import Workspace, owner_id
from everruns.errors import Conflict
from everruns.registry.database import Database
from everruns.registry.file_repeats import as_changed, as_copied, as_created
from everruns.registry.file_rules import FileRefused
from everruns.registry.file_search import FileSearch, Match
from everruns.registry.workspace_files import WorkspaceFiles
from everruns.registry.workspaces import workspace_of
from everruns.remote import Repeat, remote
from everruns.tools.base import ToolError

Answer = TypeVar("Answer")


class Files:
    """Reads, changes and searches the files of workspaces; see ``WorkspaceFiles``.

    Clients learn of a refusal as the error that caused it; tools (``by_tool``) as a ``ToolError``,
    in words for the model. A tool may also change the files of an archived workspace, because
    sessions that use one continue. A retry of a change gets the answer of the first attempt.
    """

    def __init__(self, database: Database, search: FileSearch) -> None:
        self._database = database
        self._store = database.store
        self._search = search

    @remote(Repeat.YES)
    async def read(self, workspace_id: str, path: str, *, by_tool: bool = False) -> File | None:
        """Return a file or directory with its content, or ``None``."""
        return await self._read(workspace_id, lambda files: files.read(path), by_tool=by_tool)

    @remote(Repeat.YES)
    async def list(
        self, workspace_id: str, path: str, *, recursive: bool = False, by_tool: bool = False
    ) -> list[File]:
        """Return the entries of a directory, without contents, sorted by path."""
        return await self._read(
            workspace_id, lambda files: files.list(path, recursive=recursive), by_tool=by_tool
        )

    @remote(Repeat.YES, timeout_s=30)
    async def grep(
        self, workspace_id: str, pattern: str, path_pattern: str | None, *, by_tool: bool = False
    ) -> Sequence[Match]:
        """Return the matching lines of text files; see ``FileSearch.grep``."""
        try:
            return await self._search.grep(workspace_id, pattern, path_pattern)
        except FileRefused as refused:
            raise _shown(refused, by_tool=by_tool) from None

    @remote(Repeat.KEYED)
    async def write(
        self,
        workspace_id: str,
        path: str,
        content: bytes,
        encoding: str,
        idempotency: Idempotency | None = None,
        condition: FileCondition | None = None,
        *,
        by_tool: bool = False,
    ) -> File:
        """Create or replace a file and the directories above it, if a condition holds."""
        return await self._change(
            workspace_id,
            _on(path, condition, lambda files: files.write(path, content, encoding)),
            lambda files: as_changed(files.read(path), content, encoding, is_readonly=False),
            idempotency,
            by_tool=by_tool,
        )

    @remote(Repeat.KEYED)
    async def create(
        self,
        workspace_id: str,
        path: str,
        content: bytes | None,
        encoding: str,
        is_readonly: bool,
        idempotency: Idempotency | None = None,
    ) -> File:
        """Create a file at an unused path, or a directory if there is no content."""

        def create(files: WorkspaceFiles) -> File:
            if content is None:
                return files.create_directory(path)
            return files.create(path, content, encoding, is_readonly=is_readonly)

        return await self._change(
            workspace_id,
            create,
            lambda files: as_created(files.read(path), content, encoding, is_readonly=is_readonly),
            idempotency,
        )

    @remote(Repeat.KEYED)
    async def update(
        self,
        workspace_id: str,
        path: str,
        content: bytes | None,
        encoding: str | None,
        is_readonly: bool | None,
        idempotency: Idempotency | None = None,
        condition: FileCondition | None = None,
    ) -> File:
        """Change an existing file, if a condition holds; ``None`` leaves a field as it is."""
        return await self._change(
            workspace_id,
            _on(path, condition, lambda files: files.update(path, content, encoding, is_readonly)),
            lambda files: as_changed(
                files.read(path), content, encoding, is_readonly=bool(is_readonly)
            ),
            idempotency,
        )

    @remote(Repeat.KEYED)
    async def move(
        self,
        workspace_id: str,
        source: str,
        target: str,
        idempotency: Idempotency | None = None,
    ) -> File:
        """Move a file, or a directory with its contents, to an unused path."""
        return await self._change(
            workspace_id,
            lambda files: files.move(source, target),
            lambda files: files.read(target) if files.read(source) is None else None,
            idempotency,
        )

    @remote(Repeat.KEYED)
    async def copy(
        self,
        workspace_id: str,
        source: str,
        target: str,
        idempotency: Idempotency | None = None,
    ) -> File:
        """Copy a file to an unused path."""
        return await self._change(
            workspace_id,
            lambda files: files.copy(source, target),
            lambda files: as_copied(files.read(source), files.read(target)),
            idempotency,
        )

    @remote(Repeat.KEYED)
    async def delete(
        self,
        workspace_id: str,
        path: str,
        idempotency: Idempotency | None = None,
        condition: FileCondition | None = None,
        *,
        recursive: bool = False,
        by_tool: bool = False,
    ) -> bool:
        """Delete a file or directory, if a condition holds; return whether there was one."""
        return await self._change(
            workspace_id,
            _on(path, condition, lambda files: files.delete(path, recursive=recursive)),
            lambda files: True if files.read(path) is None else None,
            idempotency,
            by_tool=by_tool,
        )

    async def _read(
        self, workspace_id: str, read: Callable[[WorkspaceFiles], Answer], *, by_tool: bool
    ) -> Answer:
        try:
            return await self._database.files.read(
                read, WorkspaceFiles(self._store.files, workspace_id)
            )
        except FileRefused as refused:
            raise _shown(refused, by_tool=by_tool) from None

    async def _change(
        self,
        workspace_id: str,
        change: Callable[[WorkspaceFiles], Answer],
        done: Callable[[WorkspaceFiles], Answer | None],
        idempotency: Idempotency | None,
        *,
        by_tool: bool = False,
    ) -> Answer:
        """Change files, or only answer if an earlier attempt did.

        Args:
            workspace_id: Whose files.
            change: Changes them.
            done: Returns the answer of a change that the files show, if they do.
            idempotency: Tells a retry.
            by_tool: Whether the tool of a session asks.
        """
        files = WorkspaceFiles(self._store.files, workspace_id)

        def run() -> Answer:
            # In one step with the change, so that nothing is written for a deleted session.
            if by_tool:
                self._check_exists(workspace_id)
            else:
                _check_active(workspace_of(self._store, workspace_id))
            if idempotency is not None and idempotency.is_repeated:
                answer = done(files)
                if answer is not None:
                    return answer
            return change(files)

        try:
            return await self._database.files.write(run)
        except FileRefused as refused:
            raise _shown(refused, by_tool=by_tool) from None

    def _check_exists(self, workspace_id: str) -> None:
        # Usually answered from memory, unlike ``workspace_of``.
        if self._store.logs.heads([owner_id(workspace_id)]):
            return
        if self._store.workspaces.find(workspace_id) is None:
            raise ToolError("The session and its files were deleted.")


def _on(
    path: str, condition: FileCondition | None, change: Callable[[WorkspaceFiles], Answer]
) -> Callable[[WorkspaceFiles], Answer]:
    """Return a change that is made only if the condition holds of the path."""
    if condition is None:
        return change

    def change_if_it_holds(files: WorkspaceFiles) -> Answer:
        files.require(path, condition)
        return change(files)

    return change_if_it_holds


def _check_active(workspace: Workspace) -> None:
    if workspace.status == "archived":
        raise Conflict(f"Workspace {workspace.id} is archived, so its files can only be read")


def _shown(refused: FileRefused, *, by_tool: bool) -> Exception:
    return refused if by_tool else refused.cause(str(refused))
