"""The file tools: results and errors as agents know them."""

import base64

import pytest

from tests.odd_images import PIXEL, png


async def test_file_that_was_written_can_be_read(answer):
    written = await answer("write_file", path="/notes/a.md", content="Grüße\n")
    assert written == {"path": "/notes/a.md", "size_bytes": 8, "created": True}
    assert await answer("read_file", path="/notes/a.md") == {
        "path": "/notes/a.md",
        "content": "Grüße\n",
        "encoding": "text",
        "size_bytes": 8,
    }


async def test_binary_file_is_read_as_base64(answer):
    content = base64.b64encode(b"\xff\x00").decode()
    await answer("write_file", path="/a.bin", content=content, encoding="base64")
    result = await answer("read_file", path="/a.bin")
    assert (result["content"], result["encoding"], result["size_bytes"]) == (content, "base64", 2)


async def test_an_image_is_shown(call):
    await call("write_file", path="/a.jpg", content=PIXEL, encoding="base64")

    about, image = (await call("read_file", path="/a.jpg")).result.parts

    assert about.value == {"path": "/a.jpg", "size_bytes": len(png())}
    assert (image.base64, image.media_type, image.path) == (PIXEL, "image/png", "/a.jpg")


async def test_directory_is_listed_one_level_deep(answer):
    await answer("write_file", path="/a.txt", content="abc")
    await answer("write_file", path="/b/c.txt", content="")
    assert await answer("list_directory") == {
        "path": "/",
        "entries": [
            {
                "name": "a.txt",
                "path": "/a.txt",
                "is_directory": False,
                "size_bytes": 3,
                "is_readonly": False,
            },
            {
                "name": "b",
                "path": "/b",
                "is_directory": True,
                "size_bytes": 0,
                "is_readonly": False,
            },
        ],
        "count": 2,
    }
    assert (await answer("list_directory", path="/b"))["entries"][0]["path"] == "/b/c.txt"


async def test_grep_tells_path_number_and_line(answer):
    await answer("write_file", path="/a.txt", content="one\ntwo\nthree")
    await answer("write_file", path="/b.md", content="two")
    assert await answer("grep_files", pattern="^t", path_pattern="*.txt") == {
        "pattern": "^t",
        "matches": [
            {"path": "/a.txt", "line_number": 2, "line": "two"},
            {"path": "/a.txt", "line_number": 3, "line": "three"},
        ],
        "match_count": 2,
    }


async def test_deleted_file_is_gone(answer, refusal):
    await answer("write_file", path="/a.txt", content="")
    assert await answer("delete_file", path="/a.txt") == {"path": "/a.txt", "deleted": True}
    assert await refusal("read_file", path="/a.txt") == "File not found: /a.txt"


async def test_stat_tells_what_a_path_is(answer):
    await answer("write_file", path="/a/b.txt", content="abc")
    result = await answer("stat_file", path="/a/b.txt")
    assert result.pop("created_at") == result.pop("updated_at")
    assert result == {
        "path": "/a/b.txt",
        "name": "b.txt",
        "exists": True,
        "is_directory": False,
        "is_readonly": False,
        "size_bytes": 3,
    }
    assert (await answer("stat_file", path="/a"))["is_directory"] is True
    assert await answer("stat_file", path="/nope") == {"path": "/nope", "exists": False}


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("read_file", {}, "Missing required parameter: path"),
        ("write_file", {"path": "/a"}, "Missing required parameter: content"),
        ("write_file", {"content": ""}, "Missing required parameter: path"),
        ("grep_files", {}, "Missing required parameter: pattern"),
        ("delete_file", {}, "Missing required parameter: path"),
        ("stat_file", {}, "Missing required parameter: path"),
        ("read_file", {"path": "/nope"}, "File not found: /nope"),
        ("delete_file", {"path": "/nope"}, "File not found: /nope"),
        (
            "read_file",
            {"path": "/d"},
            "Path '/d' is a directory, not a file. Use list_directory instead.",
        ),
        ("write_file", {"path": "/d", "content": ""}, "Path '/d' is a directory, not a file."),
        ("write_file", {"path": "/r", "content": ""}, "File is read-only: /r"),
        ("delete_file", {"path": "/r"}, "File is read-only: /r"),
        (
            "delete_file",
            {"path": "/d"},
            "Directory is not empty: /d. Set recursive to delete it.",
        ),
        ("grep_files", {"pattern": "a("}, "Invalid regex pattern: unclosed group"),
        ("list_directory", {"path": "/nope"}, "Directory not found: /nope"),
        (
            "write_file",
            {"path": "/x", "content": "***", "encoding": "base64"},
            "The content is not valid base64",
        ),
        ("write_file", {"path": "/x", "content": "\ud800"}, "The content is not valid text"),
    ],
)
async def test_errors(workspace, refusal, tool, arguments, words):
    workspace.write("/d/file", b"", "text")
    workspace.write("/r", b"", "text", is_readonly=True)
    assert await refusal(tool, **arguments) == words
