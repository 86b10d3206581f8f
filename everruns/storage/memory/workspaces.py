"""Workspaces in memory."""

from everruns.domain.workspaces import Workspace
from everruns.storage.memory.contents import Contents, containing, page_of
from everruns.storage.workspaces import WorkspaceQuery


class MemoryWorkspaces:
    """Implements ``WorkspaceStore``."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def put(self, workspace: Workspace) -> None:
        """Store a workspace, replacing the one with its id."""
        with self._contents.lock:
            self._contents.workspaces[workspace.id] = workspace

    def find(self, workspace_id: str) -> Workspace | None:
        """Return a workspace, active or archived."""
        with self._contents.lock:
            return self._contents.workspaces.get(workspace_id)

    def list(self, query: WorkspaceQuery) -> tuple[list[Workspace], int]:
        """Return a page of workspaces and how many match in all."""
        with self._contents.lock:
            workspaces = [
                workspace
                for workspace in self._contents.workspaces.values()
                if query.include_archived or workspace.status == "active"
            ]
        found = containing(
            query.search, workspaces, lambda each: (each.id, each.name, each.description)
        )
        return page_of(found, query)
