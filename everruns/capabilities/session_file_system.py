"""The session's own files: six tools over a virtual file system."""

from typing import Annotated, Any, Literal

from pydantic import Field

from everruns.capabilities.base import Capability
from everruns.domain.parts import JsonPart, ToolOutput
from everruns.tools.base import ToolContext, ToolError
from everruns.tools.content import decode_content, encode_content, image_of
from everruns.tools.function import tool

SYSTEM_PROMPT = """\
## Session file system

You have a file system that lasts as long as this session:

- `read_file` reads a file, or shows an image
- `write_file` creates or replaces a file, with the directories above it
- `list_directory` lists a directory
- `grep_files` searches the content of files with a regular expression
- `delete_file` deletes a file or directory
- `stat_file` tells whether a path exists, and what it is

Paths are absolute: they start with `/`. List a directory before you guess at paths, use grep_files
to find something in files, and check what a path is before you delete it.\
"""

Path = Annotated[str, Field(description="Absolute path, e.g. '/notes/today.md'.")]


@tool(repeatable=True)
async def read_file(path: Path, context: ToolContext) -> dict[str, Any] | ToolOutput:
    """Read a file, or look at an image."""
    file = await context.files.read(path)
    if file is None:
        raise ToolError(f"File not found: {path}")
    if file.is_directory:
        raise ToolError(f"Path '{path}' is a directory, not a file. Use list_directory instead.")
    if image := image_of(file):
        about = {"path": file.path, "size_bytes": file.size_bytes}
        return ToolOutput(parts=[JsonPart(value=about), image])
    content, encoding = encode_content(file)
    return {
        "path": file.path,
        "content": content,
        "encoding": encoding,
        "size_bytes": file.size_bytes,
    }


@tool(repeatable=True)
async def write_file(
    path: Path,
    content: Annotated[str, Field(description="The whole new content.")],
    context: ToolContext,
    encoding: Annotated[
        Literal["text", "base64"] | None,
        Field(description="How the content is written. Default: text."),
    ] = None,
) -> dict[str, Any]:
    """Create or replace a file and the directories above it."""
    body = decode_content(content, encoding or "text")
    file = await context.files.write(path, body, encoding or "text")
    return {"path": file.path, "size_bytes": file.size_bytes, "created": True}


@tool(repeatable=True)
async def list_directory(
    context: ToolContext,
    path: Annotated[
        str | None, Field(description="Absolute path of a directory. Default: '/'.")
    ] = None,
) -> dict[str, Any]:
    """List the files and directories in a directory."""
    entries = await context.files.list(path or "/")
    return {
        "path": path or "/",
        "entries": [
            {
                "name": entry.name,
                "path": entry.path,
                "is_directory": entry.is_directory,
                "size_bytes": entry.size_bytes,
                "is_readonly": entry.is_readonly,
            }
            for entry in entries
        ],
        "count": len(entries),
    }


@tool(repeatable=True)
async def grep_files(
    pattern: Annotated[str, Field(description="Regular expression to look for in each line.")],
    context: ToolContext,
    path_pattern: Annotated[
        str | None,
        Field(description="Only files whose path matches, e.g. '*.md', '/src/**' or 'notes'."),
    ] = None,
) -> dict[str, Any]:
    """Search the content of text files with a regular expression."""
    matches = await context.files.grep(pattern, path_pattern)
    return {
        "pattern": pattern,
        "matches": [
            {"path": path, "line_number": line_number, "line": line}
            for path, line_number, line in matches
        ],
        "match_count": len(matches),
    }


@tool(destructive=True)
async def delete_file(
    path: Path,
    context: ToolContext,
    recursive: Annotated[
        bool | None,
        Field(description="Delete a directory with all that is in it. Default: false."),
    ] = None,
) -> dict[str, Any]:
    """Delete a file or directory."""
    if not await context.files.delete(path, recursive=bool(recursive)):
        raise ToolError(f"File not found: {path}")
    return {"path": path, "deleted": True}


@tool(repeatable=True)
async def stat_file(path: Path, context: ToolContext) -> dict[str, Any]:
    """Tell whether a path exists, and what it is."""
    file = await context.files.read(path)
    if file is None:
        return {"path": path, "exists": False}
    return {
        "path": file.path,
        "name": file.name,
        "exists": True,
        "is_directory": file.is_directory,
        "is_readonly": file.is_readonly,
        "size_bytes": file.size_bytes,
        "created_at": file.created_at,
        "updated_at": file.updated_at,
    }


SESSION_FILE_SYSTEM = Capability(
    id="session_file_system",
    name="File System",
    description="Gives the agent files of its own, which last as long as the session.",
    icon="hard-drive",
    category="File Operations",
    system_prompt=SYSTEM_PROMPT,
    tools=[read_file, write_file, list_directory, grep_files, delete_file, stat_file],
)
