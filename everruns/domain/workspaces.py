"""Workspaces: what holds the files of one or more sessions.

Source: docs/contract.md, "Resources", Workspace.
"""

from typing import Literal

from everruns.domain.base import Description, Model, Name
from everruns.domain.sessions import Session

WorkspaceStatus = Literal["active", "archived"]


class WorkspaceInput(Model):
    """What creates a workspace."""

    name: Name
    description: Description | None = None


class WorkspacePatch(Model):
    """The fields of a workspace to change; those not sent stay as they are."""

    name: Name = ""
    description: Description | None = None
    status: WorkspaceStatus = "active"


class Workspace(Model):
    """A workspace: one that was created and outlives its sessions, or a session's own.

    Attributes:
        session_id: The session whose own it is: it came with the session and goes with it.
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
        """Return the workspace with changed fields, at a time."""
        workspace = self.model_copy(update={**changes, "updated_at": now})
        archived_at = (self.archived_at or now) if workspace.status == "archived" else None
        return workspace.model_copy(update={"archived_at": archived_at})


def own_workspace_id(session_id: str) -> str:
    """Return the id of the workspace that a session has when it shares none."""
    return session_id.replace("session_", "workspace_")


def owner_id(workspace_id: str) -> str:
    """Return the id of the session whose own a workspace is, if it is any session's."""
    return workspace_id.replace("workspace_", "session_")


def own_workspace(session: Session) -> Workspace:
    """Return the workspace that came with a session."""
    return Workspace(
        id=own_workspace_id(session.id),
        name=session.title or f"Files of {session.id}",
        session_id=session.id,
        created_at=session.created_at,
        updated_at=session.updated_at,
    )
