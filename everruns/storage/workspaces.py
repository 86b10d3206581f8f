"""What a store promises about workspaces that outlive their sessions."""

from dataclasses import dataclass
from typing import Protocol

from everruns.domain.workspaces import Workspace
from everruns.storage.pages import ListQuery


@dataclass(frozen=True)
class WorkspaceQuery(ListQuery):
    """A query for a page of the shared workspaces.

    Attributes:
        search: Only workspaces whose id, name or description contains this text, ignoring case.
        include_archived: Whether archived workspaces are listed too.
    """

    search: str | None = None
    include_archived: bool = False


class WorkspaceStore(Protocol):
    """Keeps shared workspaces; an owned workspace follows from its session."""

    def put(self, workspace: Workspace) -> None:
        """Store a workspace, replacing the one with its id."""
        ...

    def find(self, workspace_id: str) -> Workspace | None:
        """Return a workspace, active or archived."""
        ...

    def list(self, query: WorkspaceQuery) -> tuple[list[Workspace], int]:
        """Return a page of workspaces and how many match in all."""
        ...
