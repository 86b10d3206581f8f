"""A session's files without a cluster, and calling tools the way a turn does."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from everruns.capabilities.registry import build_toolbox, resolve
from everruns.domain.agents import CapabilityConfig
from everruns.domain.files import File
from everruns.domain.tools import ToolCall
from everruns.ids import new_id
from everruns.registry.database import Database
from everruns.registry.file_search import FileSearch
from everruns.registry.workspace_files import WorkspaceFiles
from everruns.storage.memory.store import MemoryStore
from everruns.tools.base import ToolContext
from everruns.tools.toolbox import Outcome

Call = Callable[..., Awaitable[Outcome]]


class LocalFiles:
    """A workspace as tools see it."""

    def __init__(self, workspace: WorkspaceFiles, search: FileSearch) -> None:
        self._workspace = workspace
        self._search = search

    async def read(self, path: str) -> File | None:
        return self._workspace.read(path)

    async def write(self, path: str, content: bytes, encoding: Any) -> File:
        return self._workspace.write(path, content, encoding)

    async def list(self, path: str, *, recursive: bool = False) -> Any:
        return self._workspace.list(path, recursive=recursive)

    async def delete(self, path: str, *, recursive: bool = False) -> bool:
        return self._workspace.delete(path, recursive=recursive)

    async def grep(self, pattern: str, path_pattern: str | None) -> Any:
        return await self._search.grep(self._workspace._id, pattern, path_pattern)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def workspace(store: MemoryStore) -> WorkspaceFiles:
    return WorkspaceFiles(store.files, new_id("workspace"))


@pytest.fixture
async def search(store: MemoryStore) -> AsyncIterator[FileSearch]:
    database = Database(store)
    search = FileSearch(database)
    yield search
    search.close()
    await database.close()


@pytest.fixture
def call(workspace: WorkspaceFiles, search: FileSearch) -> Call:
    """Call a built-in tool: ``await call("add", a=1, b=2)``."""
    refs = [
        "current_time",
        "session_file_system",
        "test_math",
        "test_weather",
        "stateless_todo_list",
        "web_fetch",
    ]
    toolbox = build_toolbox(resolve([CapabilityConfig(ref=ref) for ref in refs]))
    context = ToolContext(
        session_id="session_1",
        files=LocalFiles(workspace, search),
        config={},
        call_id="c",
        turn_id="turn_1",
        allow_private_addresses=True,
    )

    async def call_tool(name: str, **arguments: Any) -> Outcome:
        return await toolbox.call(ToolCall(id="c", name=name, arguments=arguments), context)

    return call_tool


@pytest.fixture
def answer(call: Call) -> Callable[..., Awaitable[Any]]:
    """Call a tool that must succeed; returns its result."""

    async def succeed(name: str, **arguments: Any) -> Any:
        outcome = await call(name, **arguments)
        assert outcome.result.error is None, outcome.result.error
        return outcome.result.result

    return succeed


@pytest.fixture
def refusal(call: Call) -> Callable[..., Awaitable[str | None]]:
    """Call a tool that must fail; returns its error text."""

    async def fail(name: str, **arguments: Any) -> str | None:
        outcome = await call(name, **arguments)
        assert outcome.result.error is not None
        return outcome.result.error

    return fail
