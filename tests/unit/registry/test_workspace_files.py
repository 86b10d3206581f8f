"""The rules of a session's file system."""

import pickle

import pytest

from everruns.errors import FileNotFound
from everruns.ids import new_id
from everruns.registry import file_rules
from everruns.registry import workspace_files as module
from everruns.registry.file_rules import MAX_DEPTH, MAX_FILE_BYTES, FileRefused
from everruns.registry.workspace_files import WorkspaceFiles
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


# Reading and writing


def test_written_file_can_be_read(workspace):
    workspace.write("/a/b.txt", b"hello", "text")
    file = workspace.read("/a/b.txt")
    assert file is not None
    assert (file.content, file.size_bytes, file.encoding) == (b"hello", 5, "text")
    assert (file.is_directory, file.is_readonly, file.name) == (False, False, "b.txt")


def test_path_without_a_file_reads_as_none(workspace):
    assert workspace.read("/nope") is None


def test_root_is_always_there_and_as_old_as_the_workspace(workspace):
    root = workspace.read("/")
    assert root is not None
    assert root.is_directory
    assert root.created_at > "2025"
    assert workspace.list("/") == []


def test_directories_above_a_file_come_with_it(workspace):
    write(workspace, "/a/b/c.txt")
    assert paths(workspace) == ["/a", "/a/b", "/a/b/c.txt"]
    directory = workspace.read("/a/b")
    assert directory is not None
    assert directory.is_directory


def test_replaced_file_keeps_its_birthday(workspace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "now_ms", lambda: 1_000)
    first = workspace.write("/a", b"1", "text")
    monkeypatch.setattr(module, "now_ms", lambda: 2_000)
    second = workspace.write("/a", b"2", "text")
    assert second.created_at == first.created_at
    assert second.updated_at > first.updated_at


def test_workspaces_do_not_see_each_other():
    store = MemoryStore()
    one, other = WorkspaceFiles(store.files, "w1"), WorkspaceFiles(store.files, "w2")
    write(one, "/a")
    assert other.read("/a") is None
    assert paths(other) == []
    assert other.delete("/a") is False


def test_directory_cannot_be_written_as_a_file(workspace):
    write(workspace, "/a/b")
    for path in ("/a", "/"):
        with pytest.raises(ToolError, match="is a directory"):
            workspace.write(path, b"", "text")


def test_file_cannot_be_a_directory(workspace):
    write(workspace, "/a")
    with pytest.raises(ToolError, match="'/a' is a file, not a directory"):
        write(workspace, "/a/b/c")


def test_read_only_file_stays(workspace):
    workspace.write("/d/a", b"1", "text", is_readonly=True)
    with pytest.raises(ToolError, match="read-only: /d/a"):
        workspace.write("/d/a", b"2", "text")
    with pytest.raises(ToolError, match="read-only: /d/a"):
        workspace.delete("/d", recursive=True)
    file = workspace.read("/d/a")
    assert file is not None
    assert file.content == b"1"


def test_file_has_a_largest_size(workspace):
    workspace.write("/a", b"x" * MAX_FILE_BYTES, "text")
    with pytest.raises(ToolError, match="too large"):
        workspace.write("/a", b"x" * (MAX_FILE_BYTES + 1), "text")


def test_workspace_has_a_most_number_of_entries(workspace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(file_rules, "MAX_ENTRIES", 3)
    write(workspace, "/a/b", "/c")
    with pytest.raises(ToolError, match="Too many files"):
        write(workspace, "/d")
    write(workspace, "/c")
    assert paths(workspace) == ["/a", "/a/b", "/c"]


def test_workspace_has_a_largest_size(workspace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(file_rules, "MAX_WORKSPACE_BYTES", 10)
    workspace.write("/a", b"x" * 9, "text")
    with pytest.raises(ToolError, match="full"):
        workspace.write("/b", b"xx", "text")
    workspace.write("/a", b"x" * 10, "text")


# Listing and deleting


def test_list_is_one_level_deep_and_without_contents(workspace):
    workspace.write("/a/b/c", b"x", "text")
    workspace.write("/a/d", b"y", "text")
    write(workspace, "/ab/e")
    assert [entry.path for entry in workspace.list("/a")] == ["/a/b", "/a/d"]
    assert all(entry.content == b"" for entry in workspace.list("/a"))
    assert [entry.path for entry in workspace.list("/")] == ["/a", "/ab"]


def test_list_of_what_is_no_directory_is_refused(workspace):
    write(workspace, "/a")
    with pytest.raises(ToolError, match="is a file, not a directory"):
        workspace.list("/a")
    with pytest.raises(ToolError, match="Directory not found: /b"):
        workspace.list("/b")


def test_delete_takes_exactly_what_was_named(workspace):
    write(workspace, "/a", "/a.txt", "/ab")
    assert workspace.delete("/a") is True
    assert workspace.delete("/a") is False
    assert paths(workspace) == ["/a.txt", "/ab"]


def test_delete_of_a_directory_that_is_not_empty_must_be_meant(workspace):
    write(workspace, "/a/b/c", "/ab")
    with pytest.raises(ToolError, match="not empty"):
        workspace.delete("/a")
    assert workspace.delete("/a", recursive=True) is True
    assert paths(workspace) == ["/ab"]


def test_empty_directory_can_be_deleted(workspace):
    write(workspace, "/a/b")
    workspace.delete("/a/b")
    assert workspace.delete("/a") is True
    assert paths(workspace) == []


def test_root_cannot_be_deleted(workspace):
    with pytest.raises(ToolError, match="root"):
        workspace.delete("/..", recursive=True)


# What people do that tools do not


def test_created_file_takes_no_place_that_is_taken(workspace):
    created = workspace.create("/a/b", b"1", "text", is_readonly=True)
    assert workspace.read("/a/b") == created
    for taken in ("/a/b", "/a", "/"):
        with pytest.raises(ToolError, match="already exists"):
            workspace.create(taken, b"2", "text")
        with pytest.raises(ToolError, match="already exists"):
            workspace.create_directory(taken)


def test_created_directory_comes_with_those_above_it(workspace):
    assert workspace.create_directory("/a/b/").path == "/a/b"
    assert paths(workspace) == ["/a", "/a/b"]
    write(workspace, "/file")
    with pytest.raises(ToolError, match="'/file' is a file"):
        workspace.create_directory("/file/a")


def test_update_keeps_what_it_does_not_name(workspace):
    workspace.create("/a", b"\xff", "base64")
    changed = workspace.update("/a", None, None, True)
    assert (changed.content, changed.encoding, changed.is_readonly) == (b"\xff", "base64", True)
    with pytest.raises(ToolError, match="read-only"):
        workspace.update("/a", b"2", None, None)
    changed = workspace.update("/a", b"22", None, False)
    assert (changed.content, changed.encoding, changed.size_bytes) == (b"22", "text", 2)
    assert workspace.read("/a") == changed


def test_only_files_that_are_there_are_updated(workspace):
    write(workspace, "/d/a")
    with pytest.raises(FileRefused, match="not found") as refused:
        workspace.update("/b", b"", None, None)
    assert refused.value.cause is FileNotFound
    with pytest.raises(ToolError, match="is a directory"):
        workspace.update("/d", b"", None, None)
    with pytest.raises(ToolError, match="too large"):
        workspace.update("/d/a", b"x" * (MAX_FILE_BYTES + 1), None, None)


def test_directory_moves_with_all_that_is_in_it(workspace):
    workspace.write("/a/b/c", b"1", "text")
    write(workspace, "/ab", "/a/d")
    moved = workspace.move("/a", "/x/y")
    assert moved.path == "/x/y"
    assert paths(workspace) == ["/ab", "/x", "/x/y", "/x/y/b", "/x/y/b/c", "/x/y/d"]
    file = workspace.read("/x/y/b/c")
    assert file is not None
    assert file.content == b"1"


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("/none", "/x", "not found"),
        ("/", "/x", "root directory"),
        ("/d", "/d/e/f", "into itself"),
        ("/d", "/d", "already exists"),
        ("/a", "/d", "already exists"),
        ("/a", "/", "already exists"),
        ("/a", "/a/b", "into itself"),
        ("/a", "/d/file/x", "'/d/file' is a file"),
        ("/fixed", "/x", "read-only"),
        ("/d", "/" + "x/" * (MAX_DEPTH - 1) + "x", "deeper"),
    ],
)
def test_move_that_breaks_a_rule_changes_nothing(workspace, source, target, words):
    write(workspace, "/a", "/d/file")
    workspace.write("/fixed/file", b"", "text", is_readonly=True)
    before = workspace.list("/", recursive=True)
    with pytest.raises(ToolError, match=words):
        workspace.move(source, target)
    assert workspace.list("/", recursive=True) == before


def test_refusal_travels_between_processes():
    refused = pickle.loads(pickle.dumps(FileRefused("no", FileNotFound)))
    assert (str(refused), refused.cause) == ("no", FileNotFound)


def test_copy_is_another_file(workspace):
    workspace.write("/a", b"1", "base64")
    copied = workspace.copy("/a", "/d/b")
    workspace.write("/a", b"2", "text")
    assert workspace.read("/d/b") == copied
    assert (copied.content, copied.encoding) == (b"1", "base64")
    for source, words in (("/d", "only files"), ("/none", "not found")):
        with pytest.raises(ToolError, match=words):
            workspace.copy(source, "/x")
