"""The workspaces, and access to their files from outside sessions.

A session owns a workspace unless it is created in a shared one. An owned workspace needs no row: it
exists as long as its session. Shared workspaces outlive the sessions that use them.
"""

from collections.abc import Sequence
from typing import Any

from everruns.domain.base import Page
from everruns.domain.idempotency import Idempotency
from everruns.domain.workspaces import (
    Workspace,
    WorkspaceInput,
    WorkspacePatch,
    own_workspace,
    owner_id,
)
from everruns.errors import Conflict, WorkspaceNotFound
from everruns.ids import format_time, now_ms
from everruns.registry.database import Database
from everruns.registry.file_repeats import run_operation
from everruns.registry.file_rules import FileRefused
from everruns.registry.file_search import FileSearch
from everruns.registry.workspace_files import READING
from everruns.remote import Repeat, remote
from everruns.storage.pages import ListQuery
from everruns.tools.base import File


class Workspaces:
    """Creates, changes, lists and archives workspaces, and reads and changes their files."""

    def __init__(self, database: Database, search: FileSearch) -> None:
        self._search = search
        self._database = database
        self._store = database.store

    @remote(Repeat.KEYED)
    async def create(
        self, wanted: WorkspaceInput, idempotency: Idempotency | None = None
    ) -> Workspace:
        """Create a workspace that sessions can share.

        Args:
            wanted: The workspace.
            idempotency: Gives a retry the workspace that the first attempt created.
        """
        now = format_time(now_ms())
        workspace = Workspace(
            id=(idempotency or Idempotency.of_call()).new_id("workspace"),
            name=wanted.name,
            description=wanted.description,
            created_at=now,
            updated_at=now,
        )
        await self._database.write(self._store.workspaces.put, workspace)
        return workspace

    @remote(Repeat.YES)
    async def get(self, workspace_id: str) -> Workspace:
        """Return a workspace: active or archived, shared or owned by a session.

        Raises:
            WorkspaceNotFound: There is none with this id.
        """
        return await self._database.read(self._get, workspace_id)

    def _get(self, workspace_id: str) -> Workspace:
        if workspace := self._store.workspaces.find(workspace_id):
            return workspace
        session = self._store.sessions.find(owner_id(workspace_id))
        if session is None or session.workspace_id != workspace_id:
            raise WorkspaceNotFound(f"Workspace {workspace_id} not found")
        return own_workspace(session)

    @remote(Repeat.YES)
    async def list(self, query: ListQuery) -> Page[Workspace]:
        """Return a page of the shared workspaces.

        Workspaces owned by sessions are omitted: they would hide the few shared ones, and each can
        be found through its session.
        """
        workspaces, total = await self._database.read(self._store.workspaces.list, query)
        return Page(data=workspaces, total=total, offset=query.offset, limit=query.limit)

    @remote(Repeat.YES)
    async def update(self, workspace_id: str, patch: WorkspacePatch) -> Workspace:
        """Change a workspace.

        Raises:
            WorkspaceNotFound: There is none with this id.
            Conflict: It belongs to a session.
        """
        return await self._database.write(self._update, workspace_id, patch)

    def _update(self, workspace_id: str, patch: WorkspacePatch) -> Workspace:
        workspace = self._get(workspace_id)
        if workspace.session_id is not None:
            raise Conflict(
                f"Workspace {workspace_id} belongs to session {workspace.session_id} and is "
                "deleted with it"
            )
        workspace = workspace.changed(patch.changes(), format_time(now_ms()))
        self._store.workspaces.put(workspace)
        return workspace

    @remote(Repeat.YES)
    async def archive(self, workspace_id: str) -> None:
        """Archive a workspace: it is no longer listed or usable, and its files stay.

        Raises:
            WorkspaceNotFound: There is none with this id.
            Conflict: It belongs to a session.
        """
        await self.update(workspace_id, WorkspacePatch(status="archived"))

    # Files

    @remote(Repeat.KEYED)
    async def file(
        self,
        workspace_id: str,
        operation: str,
        *args: Any,
        idempotency: Idempotency | None = None,
        **kwargs: Any,
    ) -> tuple[Workspace, Any]:
        """Run an operation of ``WorkspaceFiles``; a retry gets the answer of the first attempt.

        Returns:
            The workspace, and what the operation returned.

        Raises:
            WorkspaceNotFound: There is none with this id.
            Conflict: The workspace is archived and the operation would change it, or a file
                prevents it.
            EverrunsError: The operation was refused for another reason.
        """
        is_read = operation in READING

        def run() -> tuple[Workspace, Any]:
            # In one step with the operation, so that no file is written to a deleted workspace.
            workspace = self._get(workspace_id)
            if workspace.status == "archived" and not is_read:
                raise Conflict(
                    f"Workspace {workspace_id} is archived, so its files can only be read"
                )
            try:
                return workspace, run_operation(
                    self._store, workspace_id, operation, args, kwargs, idempotency
                )
            except FileRefused as refused:
                raise refused.cause(str(refused)) from None

        return await (self._database.read if is_read else self._database.write)(run)

    @remote(Repeat.YES)
    async def grep(
        self, workspace_id: str, pattern: str, path_pattern: str | None
    ) -> Sequence[tuple[str, int, str]]:
        """Search the files of a workspace; see ``FileSearch.grep``.

        Raises:
            WorkspaceNotFound: There is none with this id.
            EverrunsError: The search was refused.
        """
        await self.get(workspace_id)
        try:
            return await self._search.grep(workspace_id, pattern, path_pattern)
        except FileRefused as refused:
            raise refused.cause(str(refused)) from None

    @remote(Repeat.KEYED)
    async def create_file(
        self,
        workspace_id: str,
        path: str,
        content: bytes | None,
        encoding: str,
        is_readonly: bool,
        idempotency: Idempotency | None = None,
    ) -> tuple[Workspace, File]:
        """Create a file, or a directory if there is no content; see ``file``."""
        if content is None:
            return await self.file(workspace_id, "create_directory", path, idempotency=idempotency)
        return await self.file(
            workspace_id,
            "create",
            path,
            content,
            encoding,
            is_readonly=is_readonly,
            idempotency=idempotency,
        )

    @remote(Repeat.KEYED)
    async def move_file(
        self,
        workspace_id: str,
        source: str,
        target: str,
        idempotency: Idempotency | None = None,
    ) -> tuple[Workspace, File]:
        """Move a file or directory; see ``file``."""
        return await self.file(workspace_id, "move", source, target, idempotency=idempotency)

    @remote(Repeat.KEYED)
    async def copy_file(
        self,
        workspace_id: str,
        source: str,
        target: str,
        idempotency: Idempotency | None = None,
    ) -> tuple[Workspace, File]:
        """Copy a file; see ``file``."""
        return await self.file(workspace_id, "copy", source, target, idempotency=idempotency)
