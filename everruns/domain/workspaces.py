"""Workspaces: the files of one or more sessions.

Source: docs/contract.md, "Resources", Workspace.
"""

from typing import Literal

from everruns.domain.base import Description, Model, Name
from everruns.domain.sessions import Session

WorkspaceStatus = Literal["active", "archived"]


class WorkspaceInput(Model):
    """Creates a workspace."""

    name: Name
    description: Description | None = None


class WorkspacePatch(Model):
    """The fields of a workspace to change; absent fields stay as they are."""

    name: Name = ""
    description: Description | None = None
    status: WorkspaceStatus = "active"


class Workspace(Model):
    """A workspace: shared, which outlives its sessions, or owned by one session.

    Attributes:
        session_id: The session that owns the workspace; the workspace is deleted with it.
    """

    id: str
    name: str
    description: str | None = None
    status: WorkspaceStatus = "active"
    session_id: str | None = None
    created_at: str
    updated_at: str
    archived_at: str | None = None

    def changed(self, changes: dict[str, object], now: str) -> "Workspace":
        """Return the workspace with changed fields and a new time of change."""
        workspace = self.model_copy(update={**changes, "updated_at": now})
        archived_at = (self.archived_at or now) if workspace.status == "archived" else None
        return workspace.model_copy(update={"archived_at": archived_at})


def own_workspace_id(session_id: str) -> str:
    """Return the id of the workspace that a session owns."""
    return session_id.replace("session_", "workspace_")


def owner_id(workspace_id: str) -> str:
    """Return the id of the session that owns a workspace, if any."""
    return workspace_id.replace("workspace_", "session_")


def own_workspace(session: Session) -> Workspace:
    """Return the workspace that a session owns."""
    return Workspace(
        id=own_workspace_id(session.id),
        name=session.title or f"Files of {session.id}",
        session_id=session.id,
        created_at=session.created_at,
        updated_at=session.updated_at,
    )
