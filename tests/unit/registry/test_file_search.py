"""Searching the files of workspaces."""

from collections.abc import AsyncIterator

import pytest

from everruns.ids import new_id
from everruns.registry import file_search
from everruns.registry.database import Database
from everruns.registry.file_search import FileSearch
from everruns.registry.workspace_files import WorkspaceFiles
from everruns.storage.memory.store import MemoryStore
from everruns.tools.base import ToolError
from everruns.tools.child_processes import ChildrenBusy

# On one line of 10,000 characters, Rust's engine needs many seconds for it.
COSTLY = "(?:(?:[x-z]?){0,200}){0,200}[yq]"


class Searched:
    """A workspace and the search of its registry."""

    def __init__(self) -> None:
        store = MemoryStore()
        self.id = new_id("workspace")
        self.files = WorkspaceFiles(store.files, self.id)
        self.database = Database(store)
        self.search = FileSearch(self.database)

    async def grep(self, pattern: str, path_pattern: str | None = None) -> list[tuple]:
        return await self.search.grep(self.id, pattern, path_pattern)


@pytest.fixture
async def searched() -> AsyncIterator[Searched]:
    searched = Searched()
    yield searched
    searched.search.close()
    await searched.database.close()


async def test_lines_are_found_in_all_files_or_in_those_that_are_meant(searched, monkeypatch):
    # One file at a time is read.
    monkeypatch.setattr(file_search, "MAX_READ_BYTES", 1)
    for path in ("/c.txt", "/a.txt", "/b/d.md"):
        searched.files.write(path, f"one\nin {path}".encode(), "text")

    assert await searched.grep("^in") == [
        ("/a.txt", 2, "in /a.txt"),
        ("/b/d.md", 2, "in /b/d.md"),
        ("/c.txt", 2, "in /c.txt"),
    ]
    assert await searched.grep("^in", "*.md") == [("/b/d.md", 2, "in /b/d.md")]
    assert await searched.grep("^in", "*.none") == []


@pytest.mark.parametrize("pattern", ["a(", "x" * 1001, "\ud800"])
async def test_what_is_not_a_regular_expression_is_refused(searched, pattern):
    with pytest.raises(ToolError, match=r"Invalid regex pattern: .+"):
        await searched.grep(pattern)


async def test_a_path_pattern_has_a_limit(searched):
    with pytest.raises(ToolError, match="Invalid path pattern: longer"):
        await searched.grep("a", "x" * 1001)


@pytest.mark.parametrize(
    ("pattern", "path_pattern", "timeout_s"),
    [(COSTLY, None, 0.5), ("x", "/*" + "?" * 990 + "[!x]", 0.05)],
    ids=["pattern", "path pattern"],
)
async def test_no_pattern_holds_a_search_beyond_its_time(
    searched, monkeypatch, pattern, path_pattern, timeout_s
):
    monkeypatch.setattr(file_search, "SEARCH_TIMEOUT_S", timeout_s)
    folder = ("/" + "x" * 250) * 15
    searched.files.write("/a", b"x" * 10_000, "text")
    for number in range(100):
        searched.files.write(f"{folder}/{number}{'x' * 200}", b"x", "text")

    with pytest.raises(ToolError, match="takes too long"):
        await searched.grep(pattern, path_pattern)


async def test_too_many_searches_are_refused(searched, monkeypatch):
    async def busy(*_: object) -> bytes:
        raise ChildrenBusy

    monkeypatch.setattr(searched.search._children, "run", busy)

    with pytest.raises(ToolError, match="Try again shortly"):
        await searched.grep("x")
