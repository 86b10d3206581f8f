"""The workspaces; their files are in ``files``.

A session owns a workspace unless it is created in a shared one. An owned workspace needs no row: it
exists as long as its session. Shared workspaces outlive the sessions that use them.
"""

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
from everruns.remote import Repeat, remote
from everruns.storage.store import Store
from everruns.storage.workspaces import WorkspaceQuery


class Workspaces:
    """Creates, changes, lists and archives workspaces.

    They are written in the lane of files: no file is changed while its workspace is archived.
    """

    def __init__(self, database: Database) -> None:
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
        await self._database.files.write(self._store.workspaces.put, workspace)
        return workspace

    @remote(Repeat.YES)
    async def get(self, workspace_id: str) -> Workspace:
        """Return a workspace: active or archived, shared or owned by a session.

        Raises:
            WorkspaceNotFound: There is none with this id.
        """
        return await self._database.control.read(workspace_of, self._store, workspace_id)

    @remote(Repeat.YES)
    async def list(self, query: WorkspaceQuery) -> Page[Workspace]:
        """Return a page of the shared workspaces.

        Workspaces owned by sessions are omitted: they would hide the few shared ones, and each can
        be found through its session.
        """
        workspaces, total = await self._database.bulk.read(self._store.workspaces.list, query)
        return Page.of(workspaces, total, query.offset, query.limit)

    @remote(Repeat.YES)
    async def update(self, workspace_id: str, patch: WorkspacePatch) -> Workspace:
        """Change a workspace.

        Raises:
            WorkspaceNotFound: There is none with this id.
            Conflict: It belongs to a session.
        """
        return await self._database.files.write(self._update, workspace_id, patch)

    def _update(self, workspace_id: str, patch: WorkspacePatch) -> Workspace:
        workspace = workspace_of(self._store, workspace_id)
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


def workspace_of(store: Store, workspace_id: str) -> Workspace:
    """Return a workspace, shared or owned by a session.

    Raises:
        WorkspaceNotFound: There is none with this id.
    """
    if workspace := store.workspaces.find(workspace_id):
        return workspace
    session = store.sessions.find(owner_id(workspace_id))
    if session is None or session.workspace_id != workspace_id:
        raise WorkspaceNotFound(f"Workspace {workspace_id} not found")
    return own_workspace(session)
