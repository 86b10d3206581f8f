"""Routes of the files of workspaces.

Source: docs/contract.md, "Resources", Workspace.
"""

from hashlib import blake2s
from itertools import groupby
from typing import Annotated, Any

from fastapi import Path, Query, Response
from pydantic import Field
from starlette.convertors import PathConvertor, register_url_convertor

from everruns.api.http.conditions import PRECONDITIONS, TAG_HEADER, TheCondition, tagged
from everruns.api.http.parameters import TheRuntime, Truth, WorkspaceId
from everruns.api.http.routes import Routes
from everruns.domain.base import MIB, Flag, Model
from everruns.domain.files import File
from everruns.domain.workspaces import Workspace
from everruns.errors import FileNotFound, InvalidFile
from everruns.tools.base import ToolError
from everruns.tools.content import Encoding, decode_content, encode_content

FilePath = Annotated[str, Field(min_length=1, max_length=4096)]
# A file of 1 MiB grows by a third as base64; the exact limit is the same for all files.
Content = Annotated[str, Field(max_length=2 * MIB)]
PathInUrl = Annotated[str, Path(description="Path of a file or directory.")]
Recursive = Annotated[Truth, Query(description="Whether to include everything below.")]

_ACTION = "/*_(/|$)"


class FilePathConvertor(PathConvertor):
    """Treats the rest of a URL as a file path, unless it names an action."""

    regex = f"(?!{_ACTION}).*"


register_url_convertor("file_path", FilePathConvertor())

AT_PATH = "/workspaces/{workspace_id}/fs/{path:file_path}"

routes = Routes("workspace_files")


class FileInput(Model):
    """Creates a file or a directory."""

    content: Content = ""
    encoding: Encoding = "text"
    is_directory: Flag = False
    is_readonly: Flag = False


class FilePatch(Model):
    """The fields of a file to change; absent fields stay as they are."""

    content: Content | None = None
    encoding: Encoding | None = None
    is_readonly: Flag | None = None


class FilePair(Model):
    """What to move or copy, and where."""

    src_path: FilePath
    dst_path: FilePath


class FileAddress(Model):
    """A file or directory."""

    path: FilePath


class FileSearch(Model):
    """What to look for in files."""

    pattern: Annotated[str, Field(min_length=1, max_length=1000)]
    path_pattern: Annotated[str, Field(max_length=4096)] | None = None


class FileInfo(Model):
    """A file or directory without its content.

    Attributes:
        id: Derived from the workspace and the path, so it changes when the file is moved.
        session_id: The session that owns the workspace; empty for a shared workspace.
    """

    id: str
    session_id: str
    path: str
    name: str
    is_directory: bool
    is_readonly: bool
    size_bytes: int
    created_at: str
    updated_at: str


class SessionFile(FileInfo):
    """A file with its content; a directory has none."""

    content: str | None = None
    encoding: Encoding | None = None


class FileList(Model):
    """The entries of a directory."""

    data: list[FileInfo]


class FileDeleted(Model):
    """Whether something was deleted."""

    deleted: bool


class FileMatch(Model):
    """A line that matches."""

    path: str
    line_number: int
    line: str


class FileMatches(Model):
    """The lines of one file that match."""

    path: str
    matches: list[FileMatch]


class FilesFound(Model):
    """The results of a search."""

    data: list[FileMatches]


@routes.add("GET /workspaces/{workspace_id}/fs", "read")
async def list_files(
    workspace_id: WorkspaceId, runtime: TheRuntime, recursive: Recursive = False
) -> FileList:
    """List a workspace's files."""
    workspace = await runtime.workspaces.get(workspace_id)
    entries = await runtime.files.list(workspace_id, "/", recursive=recursive)
    return FileList(data=[info_of(workspace, entry) for entry in entries])


@routes.add(f"GET {AT_PATH}", "read", responses={200: {"headers": TAG_HEADER}})
async def read_file(
    workspace_id: WorkspaceId,
    path: PathInUrl,
    runtime: TheRuntime,
    response: Response,
    recursive: Recursive = False,
) -> SessionFile | FileList:
    """Read a file, with its `ETag`, or list a directory."""
    workspace, file = await read_entry(runtime, workspace_id, path)
    if not file.is_directory:
        return _shown(workspace, file, response)
    entries = await runtime.files.list(workspace_id, file.path, recursive=recursive)
    return FileList(data=[info_of(workspace, entry) for entry in entries])


@routes.add(f"POST {AT_PATH}", "files", status_code=201, responses={201: {"headers": TAG_HEADER}})
async def create_file(
    workspace_id: WorkspaceId,
    path: PathInUrl,
    wanted: FileInput,
    runtime: TheRuntime,
    response: Response,
) -> SessionFile:
    """Create a file or directory at an unused path, with its parent directories."""
    content = None if wanted.is_directory else _content(wanted.content, wanted.encoding)
    workspace = await runtime.workspaces.get(workspace_id)
    create = runtime.files.create
    file = await create(workspace_id, path, content, wanted.encoding, wanted.is_readonly)
    return _shown(workspace, file, response)


@routes.add(f"PUT {AT_PATH}", "files", responses=PRECONDITIONS)
async def update_file(
    workspace_id: WorkspaceId,
    path: PathInUrl,
    patch: FilePatch,
    runtime: TheRuntime,
    condition: TheCondition,
    response: Response,
) -> SessionFile:
    """Change a file, if it has not changed meanwhile. First make a read-only one writable."""
    content = None
    if patch.content is not None:
        content = _content(patch.content, patch.encoding or "text")
    workspace = await runtime.workspaces.get(workspace_id)
    update = runtime.files.update
    file = await update(
        workspace_id, path, content, patch.encoding, patch.is_readonly, condition=condition
    )
    return _shown(workspace, file, response)


@routes.add(
    f"DELETE {AT_PATH}",
    "files",
    responses={
        409: {"description": "Conflict"},
        412: PRECONDITIONS[412],
    },
)
async def delete_file(
    workspace_id: WorkspaceId,
    path: PathInUrl,
    runtime: TheRuntime,
    condition: TheCondition,
    recursive: Recursive = False,
) -> FileDeleted:
    """Delete a file, if it has not changed meanwhile, or a directory."""
    delete = runtime.files.delete
    deleted = await delete(workspace_id, path, recursive=recursive, condition=condition)
    return FileDeleted(deleted=deleted)


@routes.add("POST /workspaces/{workspace_id}/fs/_/move", "files")
async def move_file(workspace_id: WorkspaceId, pair: FilePair, runtime: TheRuntime) -> SessionFile:
    """Move a file, or a directory with its contents, to an unused path."""
    workspace = await runtime.workspaces.get(workspace_id)
    move = runtime.files.move
    return _file(workspace, await move(workspace_id, pair.src_path, pair.dst_path))


@routes.add("POST /workspaces/{workspace_id}/fs/_/copy", "files", status_code=201)
async def copy_file(workspace_id: WorkspaceId, pair: FilePair, runtime: TheRuntime) -> SessionFile:
    """Copy a file to an unused path."""
    workspace = await runtime.workspaces.get(workspace_id)
    copy = runtime.files.copy
    return _file(workspace, await copy(workspace_id, pair.src_path, pair.dst_path))


@routes.add("POST /workspaces/{workspace_id}/fs/_/grep", "read")
async def grep_files(
    workspace_id: WorkspaceId, search: FileSearch, runtime: TheRuntime
) -> FilesFound:
    """Search the lines of text files with a regular expression."""
    await runtime.workspaces.get(workspace_id)
    found = await runtime.files.grep(workspace_id, search.pattern, search.path_pattern)
    return FilesFound(
        data=[
            FileMatches(
                path=path,
                matches=[
                    FileMatch(path=path, line_number=number, line=line) for _, number, line in lines
                ],
            )
            for path, lines in groupby(found, key=lambda match: match[0])
        ]
    )


@routes.add("POST /workspaces/{workspace_id}/fs/_/stat", "read")
async def stat_file(
    workspace_id: WorkspaceId, address: FileAddress, runtime: TheRuntime
) -> FileInfo:
    """Describe the file or directory at a path."""
    return info_of(*await read_entry(runtime, workspace_id, address.path))


async def read_entry(runtime: TheRuntime, workspace_id: str, path: str) -> tuple[Workspace, File]:
    """Return what is at a path.

    Raises:
        FileNotFound: Nothing is.
    """
    workspace = await runtime.workspaces.get(workspace_id)
    file = await runtime.files.read(workspace_id, path or "/")
    if file is None:
        raise FileNotFound(f"File not found: {path}")
    return workspace, file


def _content(content: str, encoding: Encoding) -> bytes:
    try:
        return decode_content(content, encoding)
    except ToolError as error:
        raise InvalidFile(str(error)) from None


def info_of(workspace: Workspace, file: File) -> FileInfo:
    """Return what is shown of a file or directory without its content."""
    return FileInfo(**_fields(workspace, file))


def _shown(workspace: Workspace, file: File, response: Response) -> SessionFile:
    """Return what is shown of a file, and put its tag into the response."""
    if not file.is_directory:
        response.headers.update(tagged(file))
    return _file(workspace, file)


def _file(workspace: Workspace, file: File) -> SessionFile:
    if file.is_directory:
        return SessionFile(**_fields(workspace, file))
    content, encoding = encode_content(file)
    return SessionFile(**_fields(workspace, file), content=content, encoding=encoding)


def _fields(workspace: Workspace, file: File) -> dict[str, Any]:
    address = f"{workspace.id}{file.path}".encode()
    return {
        "id": f"file_{blake2s(address, digest_size=16).hexdigest()}",
        "session_id": workspace.session_id or "",
        "path": file.path,
        "name": file.name,
        "is_directory": file.is_directory,
        "is_readonly": file.is_readonly,
        "size_bytes": file.size_bytes,
        "created_at": file.created_at,
        "updated_at": file.updated_at,
    }
