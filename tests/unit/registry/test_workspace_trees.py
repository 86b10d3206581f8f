"""Whatever is done to files, in any order, what is there is a tree."""

import posixpath

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from everruns.registry.workspace_files import WorkspaceFiles
from everruns.storage.memory.store import MemoryStore
from everruns.tools.base import ToolError

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
