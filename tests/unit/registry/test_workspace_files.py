"""The rules of a session's file system."""

import pickle
import posixpath
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from everruns.domain.agents import InitialFile
from everruns.domain.files import File
from everruns.errors import FileNotFound, InvalidRequest
from everruns.ids import new_id
from everruns.registry import file_rules
from everruns.registry import workspace_files as module
from everruns.registry.file_rules import (
    MAX_DEPTH,
    MAX_FILE_BYTES,
    MAX_PATH_BYTES,
    FileRefused,
    normalize_path,
)
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


# Paths


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


# The files a workspace starts with


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


# Files that come with a session


def test_initial_files_leave_what_is_there(workspace):
    there = [entry.file for entry in initial_files("w1", [initial("/a/b", "old")])]
    added = initial_files("w1", [initial("/a/b", "new"), initial("/a/c")], there)
    assert [stored.file.path for stored in added] == ["/a/c"]
    with pytest.raises(InvalidRequest, match="'/a/b' is a file"):
        initial_files("w1", [initial("/a/b/c")], there)


def initial(path: str, content: str = "", **fields) -> InitialFile:
    return InitialFile(path=path, content=content, **fields)


def test_initial_files_come_with_their_directories():
    files = initial_files("w1", [initial("/a/b.txt", "hi", is_readonly=True)])
    assert [(stored.workspace_id, stored.file.path) for stored in files] == [
        ("w1", "/a"),
        ("w1", "/a/b.txt"),
    ]
    assert files[1].file.content == b"hi"
    assert files[1].file.is_readonly


def test_initial_file_may_be_base64():
    (stored,) = initial_files("w1", [initial("/a", "/w==", encoding="base64")])
    assert stored.file.content == b"\xff"
    assert stored.file.encoding == "base64"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([initial("/ok"), initial("/a\0")], "initial_files.1: Invalid path"),
        ([initial("/a"), initial("/a/b")], "initial_files.1: Path '/a' is a file"),
        (
            [initial("/a", "*", encoding="base64")],
            "initial_files.0: The content is not valid base64",
        ),
        (
            [initial("/a", "Ä", encoding="base64")],
            "initial_files.0: The content is not valid base64",
        ),
        ([initial("/")], "initial_files.0: Path '/' is a directory"),
        ([initial("/a", is_readonly=True), initial("//a")], "initial_files.1: File is read-only"),
    ],
)
def test_initial_file_that_breaks_a_rule_is_refused_by_its_place(files, words):
    with pytest.raises(InvalidRequest, match=words):
        initial_files("w1", files)


NAMES = st.sampled_from(["/a", "/b", "/a/x", "/a/y", "/a/x/1", "/a/x/2", "/b/z"])


class AnyOrder(RuleBasedStateMachine):
    """Whatever is done, in any order, what is there is a tree."""

    def __init__(self) -> None:
        super().__init__()
        self.workspace = WorkspaceFiles(MemoryStore().files, "w1")
        self.contents: dict[str, bytes] = {}

    @rule(path=NAMES, content=st.binary(max_size=3))
    def write(self, path: str, content: bytes) -> None:
        try:
            self.workspace.write(path, content, "base64")
        except ToolError:
            return
        self.contents[path] = content

    @rule(source=NAMES, to=NAMES)
    def move(self, source: str, to: str) -> None:
        try:
            self.workspace.move(source, to)
        except ToolError:
            return
        for name in list(self.contents):
            if name == source or name.startswith(source + "/"):
                self.contents[to + name.removeprefix(source)] = self.contents.pop(name)

    @rule(source=NAMES, to=NAMES)
    def copy(self, source: str, to: str) -> None:
        try:
            self.workspace.copy(source, to)
        except ToolError:
            return
        self.contents[to] = self.contents[source]

    @rule(path=NAMES, recursive=st.booleans())
    def delete(self, path: str, recursive: bool) -> None:
        try:
            self.workspace.delete(path, recursive=recursive)
        except ToolError:
            return
        for name in list(self.contents):
            if name == path or name.startswith(path + "/"):
                del self.contents[name]

    @invariant()
    def files_hold_what_was_written_last(self) -> None:
        entries = self.workspace.list("/", recursive=True)
        files = {entry.path for entry in entries if not entry.is_directory}
        assert files == self.contents.keys()
        for path, content in self.contents.items():
            file = self.workspace.read(path)
            assert file is not None
            assert file.content == content

    @invariant()
    def every_parent_is_a_directory(self) -> None:
        for entry in self.workspace.list("/", recursive=True):
            parent = self.workspace.read(posixpath.dirname(entry.path))
            assert parent is not None
            assert parent.is_directory


TestAnyOrder = AnyOrder.TestCase
