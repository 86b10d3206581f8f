"""Paths of a session's file system."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.domain.agents import InitialFile
from everruns.domain.files import File
from everruns.errors import InvalidRequest
from everruns.ids import new_id
from everruns.registry.file_rules import MAX_DEPTH, MAX_PATH_BYTES, FileRefused, normalize_path
from everruns.registry.workspace_files import WorkspaceFiles, initial_files
from everruns.storage.files import StoredFile
from everruns.storage.memory.store import MemoryStore
from everruns.tools.base import ToolError


@pytest.fixture
def workspace() -> WorkspaceFiles:
    return WorkspaceFiles(MemoryStore().files, new_id("workspace"))


def write(workspace: WorkspaceFiles, *paths: str) -> None:
    for path in paths:
        workspace.write(path, b"", "text")


def paths(workspace: WorkspaceFiles) -> list[str]:
    return [entry.path for entry in workspace.list("/", recursive=True)]


RESERVED = [
    "/_",
    "_/stat",
    "/_/stat",
    "/./_/stat",
    "//_//stat",
    "/a/../_/stat",
    "/_/./x",
    "/../_/x",
]


@pytest.mark.parametrize("path", RESERVED)
def test_nothing_is_stored_under_the_reserved_directory_however_it_is_written(
    workspace: WorkspaceFiles, path: str
) -> None:
    write(workspace, "/a/file")
    for store in (
        lambda: workspace.write(path, b"", "text"),
        lambda: workspace.create(path, b"", "text"),
        lambda: workspace.create_directory(path),
        lambda: workspace.copy("/a/file", path),
        lambda: workspace.move("/a/file", path),
        lambda: workspace.move("/a", path),
    ):
        with pytest.raises(FileRefused, match="reserved for actions"):
            store()
    with pytest.raises(InvalidRequest, match=r"initial_files\.0: .* reserved"):
        initial_files("workspace_1", [InitialFile(path=path, content="")])
    assert paths(workspace) == ["/a", "/a/file"]


def test_names_that_only_begin_like_the_reserved_directory_are_free(
    workspace: WorkspaceFiles,
) -> None:
    write(workspace, "/_a", "/a/_/b")
    assert paths(workspace) == ["/_a", "/a", "/a/_", "/a/_/b"]


def test_what_an_earlier_version_stored_there_can_be_changed_and_moved_away() -> None:
    store = MemoryStore()
    store.files.put([StoredFile("workspace_1", File("/_", False, False, "text", 0, "", ""))])
    workspace = WorkspaceFiles(store.files, "workspace_1")
    workspace.write("/_", b"new", "text")
    workspace.move("/_", "/kept")
    assert paths(workspace) == ["/kept"]


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        ("/a/b.txt", "/a/b.txt"),
        ("a/b.txt", "/a/b.txt"),
        ("//a///b/", "/a/b"),
        ("/a/../b", "/b"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("/a/./b", "/a/b"),
        (".", "/"),
        ("/", "/"),
        ("/workspace/a", "/workspace/a"),
        ("/ä b/c", "/ä b/c"),
        ("C:\\a", "/C:\\a"),
    ],
)
def test_path_is_made_absolute_and_plain(path, normal):
    assert normalize_path(path) == normal


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "must not be empty"),
        ("/a\0b", "NUL"),
        ("/\ud800", "not valid Unicode"),
        ("/" + "a" * MAX_PATH_BYTES, "longer than"),
        ("/a" * (MAX_DEPTH + 1), "deeper than"),
    ],
)
def test_path_that_breaks_a_rule_is_refused(path, words):
    with pytest.raises(ToolError, match=words):
        normalize_path(path)


@given(st.text(alphabet="ab./\\ ä", min_size=1, max_size=60))
def test_normal_path_never_leaves_the_root_and_stays_the_same(path):
    normal = normalize_path(path)
    assert normal.startswith("/")
    assert ".." not in normal.split("/")
    assert "//" not in normal
    assert normal == "/" or not normal.endswith("/")
    assert normalize_path(normal) == normal


@given(st.text(min_size=1))
def test_any_text_is_a_path_or_refused(path):
    with suppress(ToolError):
        assert normalize_path(path).startswith("/")
