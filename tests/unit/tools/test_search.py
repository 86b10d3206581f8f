"""Which lines and paths a search finds."""

import orjson
import pytest

from everruns.tools.search import file_frame, find_lines, find_paths, matches_path


def lines(pattern: str, **files: bytes) -> list[list[object]]:
    frames = [file_frame(f"/{name}", content) for name, content in files.items()]
    return orjson.loads(find_lines(iter([pattern.encode(), *frames])))["lines"]


def test_lines_are_found_by_number():
    assert lines("(?i)two$", a=b"one\r\ntwo\r\n\nTwo\n", b=b"two") == [
        ["/a", 2, "two"],
        ["/a", 4, "Two"],
        ["/b", 1, "two"],
    ]


def test_no_line_is_counted_after_the_last_break():
    assert lines("^$", a=b"x\n", empty=b"") == []


def test_what_is_not_text_is_passed_over():
    assert lines("abc", a=b"\xffabc", b=b"abc\0", c=b"abc") == [["/c", 1, "abc"]]


@pytest.mark.parametrize("pattern", ["a(", "[", "(?=a)", "*", "a{1000}{1000}{1000}"])
def test_what_is_not_a_regular_expression_has_a_reason(pattern):
    assert orjson.loads(find_lines(iter([pattern.encode()])))["invalid"]


def test_matches_are_bounded_in_number_and_length():
    assert len(lines("x", a=b"x\n" * 2000)) == 1000
    assert len(lines("y", a=b"y" * 20_000)[0][2]) == 500


def test_paths_are_found_in_their_order():
    frames = [b"*.md", orjson.dumps(["/b.md", "/a.txt", "/d/a.md"])]

    assert orjson.loads(find_paths(iter(frames))) == ["/b.md", "/d/a.md"]


@pytest.mark.parametrize(
    ("pattern", "meant", "not_meant"),
    [
        ("src", ["/src/a.rs", "/x/src.txt"], ["/lib/a.rs"]),
        ("*.md", ["/a.md", "/x/y/b.md"], ["/a.mdx", "/md"]),
        ("/src/*", ["/src/a", "/src/x/b"], ["/lib/src/a"]),
        ("src/*.rs", ["/src/a.rs"], ["/src/a.py"]),
        ("src/**/*.rs", ["/src/a.rs", "/src/x/y/b.rs"], ["/a.rs"]),
        ("/a?.txt", ["/ab.txt"], ["/a.txt"]),
        ("[ab].txt", ["/a.txt", "/x/b.txt"], ["/c.txt"]),
    ],
)
def test_pattern_for_paths(pattern, meant, not_meant):
    assert all(matches_path(path, pattern) for path in meant)
    assert not any(matches_path(path, pattern) for path in not_meant)
