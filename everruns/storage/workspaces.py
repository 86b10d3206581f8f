"""What a store promises about workspaces that outlive their sessions."""

from typing import Protocol

from everruns.domain.workspaces import Workspace
from everruns.storage.pages import ListQuery


class WorkspaceStore(Protocol):
    """Keeps shared workspaces; an owned workspace follows from its session."""

    def put(self, workspace: Workspace) -> None:
        """Store a workspace, replacing the one with its id."""
        ...

    def find(self, workspace_id: str) -> Workspace | None:
        """Return a workspace, active or archived."""
        ...

    def list(self, query: ListQuery) -> tuple[list[Workspace], int]:
        """Return a page of workspaces and how many match in all."""
        ...
