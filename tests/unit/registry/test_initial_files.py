"""The files that come with a session."""

import pytest

from everruns.domain.agents import InitialFile
from everruns.errors import InvalidRequest
from everruns.registry.workspace_files import initial_files


def initial(path: str, content: str = "", **fields) -> InitialFile:
    return InitialFile(path=path, content=content, **fields)


def test_initial_files_leave_what_is_there():
    there = [entry.file for entry in initial_files("w1", [initial("/a/b", "old")])]
    added = initial_files("w1", [initial("/a/b", "new"), initial("/a/c")], there)
    assert [stored.file.path for stored in added] == ["/a/c"]
    with pytest.raises(InvalidRequest, match="'/a/b' is a file"):
        initial_files("w1", [initial("/a/b/c")], there)


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
