"""Routes that transfer a workspace's files as raw bytes.

Source: docs/contract.md, "Raw files".
"""

from mimetypes import MimeTypes
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response

from everruns.api.http.answers import answer
from everruns.api.http.conditions import (
    CONDITION_PARAMETERS,
    IF_MATCH,
    IF_NONE_MATCH,
    PRECONDITIONS,
    TAG_HEADER,
    read_condition,
    tagged,
)
from everruns.api.http.parameters import TheRuntime, WorkspaceId, runtime_of
from everruns.api.http.reads import Reads
from everruns.api.http.requests import id_of
from everruns.api.http.routes import Routes
from everruns.api.routes.workspace_files import FileInfo, PathInUrl, info_of, read_entry
from everruns.domain.files import File
from everruns.errors import Conflict

PATH = "/workspaces/{workspace_id}/raw/{path:file_path}"
BYTES = "application/octet-stream"
# The types that Python itself knows: the same on every machine.
TYPES = MimeTypes()
BINARY: dict[str, Any] = {BYTES: {"schema": {"type": "string", "format": "binary"}}}
PATH_PARAMETER = {
    "name": "path",
    "in": "path",
    "required": True,
    "description": "Path of a file.",
    "schema": {"type": "string"},
}


routes = Routes("raw_files")


@routes.add(
    f"GET {PATH}",
    "read",
    response_class=Response,
    responses={
        200: {"content": BINARY, "headers": TAG_HEADER},
        409: {"description": "Conflict"},
    },
)
async def download_file(
    workspace_id: WorkspaceId, path: PathInUrl, runtime: TheRuntime
) -> Response:
    """Download the bytes of a file; the content type follows from its name."""
    _, file = await read_entry(runtime, workspace_id, path)
    if file.is_directory:
        raise Conflict(f"Path '{file.path}' is a directory, not a file.")
    name = quote(file.name, safe="")
    # A browser stores the file and never runs it as a page of this origin.
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}", **tagged(file)}
    return Response(file.content, media_type=_type_of(file), headers=headers)


def _type_of(file: File) -> str:
    is_text = _is_text(file.content)
    guessed, _ = TYPES.guess_type(file.name)
    if guessed is None or (guessed.startswith("text/") and not is_text):
        return "text/plain" if is_text else BYTES
    return guessed


@routes.add(
    f"PUT {PATH}",
    "files",
    response_model=FileInfo,
    responses={409: {"description": "Conflict"}, **PRECONDITIONS},
    reads=Reads(
        content=BINARY, ids=["workspace"], parameters=[PATH_PARAMETER, *CONDITION_PARAMETERS]
    ),
)
async def upload_file(request: Request) -> Response:
    """Store the request's body as a file, in place of one at the path if that has not changed."""
    given = request.headers
    condition = read_condition(given.get(IF_MATCH), given.get(IF_NONE_MATCH))
    workspace_id = id_of(request, "workspace")
    content = await request.body()
    encoding = "text" if _is_text(content) else "base64"
    runtime = runtime_of(request)
    workspace = await runtime.workspaces.get(workspace_id)
    path = request.path_params["path"]
    file = await runtime.files.write(workspace_id, path, content, encoding, condition=condition)
    shown = answer(info_of(workspace, file), 200)
    shown.headers.update(tagged(file))
    return shown


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False
