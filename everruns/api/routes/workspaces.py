"""Routes of workspaces.

Source: docs/contract.md, "Resources", Workspace.
"""

from typing import Annotated

from fastapi import Body, Query

from everruns.api.http.parameters import (
    DEFAULT_LIMIT,
    Limit,
    Offset,
    Search,
    TheRuntime,
    Truth,
    WorkspaceId,
)
from everruns.api.http.routes import Routes
from everruns.domain.base import Page
from everruns.domain.workspaces import Workspace, WorkspaceInput, WorkspacePatch
from everruns.storage.workspaces import WorkspaceQuery

EXAMPLE = {"name": "Quarterly report", "description": "Figures and drafts of the quarterly report."}


routes = Routes("workspaces")


@routes.add("GET /workspaces")
async def list_workspaces(
    runtime: TheRuntime,
    search: Search = None,
    include_archived: Annotated[
        Truth, Query(description="Whether to list archived workspaces too.")
    ] = False,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Workspace]:
    """List the shared workspaces, newest first."""
    query = WorkspaceQuery(
        search=search, include_archived=include_archived, offset=offset, limit=limit
    )
    return await runtime.workspaces.list(query)


@routes.add("POST /workspaces", status_code=201)
async def create_workspace(
    wanted: Annotated[WorkspaceInput, Body(openapi_examples={"shared": {"value": EXAMPLE}})],
    runtime: TheRuntime,
) -> Workspace:
    """Create a workspace that sessions can share."""
    return await runtime.workspaces.create(wanted)


@routes.add("GET /workspaces/{workspace_id}", "read")
async def get_workspace(workspace_id: WorkspaceId, runtime: TheRuntime) -> Workspace:
    """Read a workspace, shared or owned by a session."""
    return await runtime.workspaces.get(workspace_id)


@routes.add("PATCH /workspaces/{workspace_id}")
async def update_workspace(
    workspace_id: WorkspaceId, patch: WorkspacePatch, runtime: TheRuntime
) -> Workspace:
    """Change the given fields of a workspace."""
    return await runtime.workspaces.update(workspace_id, patch)


@routes.add(
    "DELETE /workspaces/{workspace_id}",
    status_code=204,
    responses={409: {"description": "Conflict"}},
)
async def archive_workspace(workspace_id: WorkspaceId, runtime: TheRuntime) -> None:
    """Archive a workspace: no new session can use it, and this API can only read its files."""
    await runtime.workspaces.archive(workspace_id)
