"""The workspaces, and what is done to their files from outside of sessions.

A session has a workspace of its own unless it is created in one that is here. A session's own needs
no row: it is there while its session is, and goes with it. The others stay, whoever uses them.
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
from everruns.storage.base import ListQuery
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
        """Create a workspace, which sessions can share.

        Args:
            wanted: The workspace.
            idempotency: Gives a repeated call the workspace that the first one created.
        """
        now = format_time(now_ms())
        workspace = Workspace(
            id=(idempotency or Idempotency.of_call()).new_id("workspace"),
            name=wanted.name,
            description=wanted.description,
            created_at=now,
            updated_at=now,
        )
        await self._database.write(self._store.put_workspace, workspace)
        return workspace

    @remote(Repeat.YES)
    async def get(self, workspace_id: str) -> Workspace:
        """Return a workspace, archived ones and those of single sessions too.

        Raises:
            WorkspaceNotFound: There is none with this id.
        """
        return await self._database.read(self._get, workspace_id)

    def _get(self, workspace_id: str) -> Workspace:
        if workspace := self._store.find_workspace(workspace_id):
            return workspace
        session = self._store.find_session(owner_id(workspace_id))
        if session is None or session.workspace_id != workspace_id:
            raise WorkspaceNotFound(f"Workspace {workspace_id} not found")
        return own_workspace(session)

    @remote(Repeat.YES)
    async def list(self, query: ListQuery) -> Page[Workspace]:
        """Return a page of the workspaces that were created as such.

        Those of single sessions are left out: they would hide the few that can be shared, and
        whoever wants one has its session.
        """
        workspaces, total = await self._database.read(self._store.list_workspaces, query)
        return Page(data=workspaces, total=total, offset=query.offset, limit=query.limit)

    @remote(Repeat.YES)
    async def update(self, workspace_id: str, patch: WorkspacePatch) -> Workspace:
        """Change a workspace.

        Raises:
            WorkspaceNotFound: There is none with this id.
            Conflict: It is a session's own.
        """
        return await self._database.write(self._update, workspace_id, patch)

    def _update(self, workspace_id: str, patch: WorkspacePatch) -> Workspace:
        workspace = self._get(workspace_id)
        if workspace.session_id is not None:
            raise Conflict(
                f"Workspace {workspace_id} is the own of session {workspace.session_id}, and goes "
                "with it"
            )
        workspace = workspace.changed(patch.changes(), format_time(now_ms()))
        self._store.put_workspace(workspace)
        return workspace

    @remote(Repeat.YES)
    async def archive(self, workspace_id: str) -> None:
        """Take a workspace out of lists and use; its files stay as they are.

        Raises:
            WorkspaceNotFound: There is none with this id.
            Conflict: It is a session's own.
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
        """Run one operation of ``WorkspaceFiles``; a repeated call answers as the first one did.

        Returns:
            The workspace, and what the operation returned.

        Raises:
            WorkspaceNotFound: There is none with this id.
            Conflict: It is archived and the operation would change it, or a file refuses.
            EverrunsError: What else the operation was refused for.
        """
        is_read = operation in READING

        def run() -> tuple[Workspace, Any]:
            # With the operation in one go: no file is written to what has just been deleted.
            workspace = self._get(workspace_id)
            if workspace.status == "archived" and not is_read:
                raise Conflict(f"Workspace {workspace_id} is archived: its files can only be read")
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
            EverrunsError: What the search was refused for.
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
        """Create a file, or without content a directory; see ``file``."""
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
