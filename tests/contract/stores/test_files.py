"""What every store does with files."""

from everruns.storage.files import StoredFile
from everruns.storage.store import Store
from tests.stored import file


def test_a_file_is_found_with_its_content(store: Store) -> None:
    stored = file("/a/b.bin", bytes(range(256)), encoding="base64", is_readonly=True)
    store.files.put([StoredFile("w", stored)])
    assert store.files.find("w", "/a/b.bin") == stored
    assert store.files.find("w", "/a") is None
    assert store.files.find("other", "/a/b.bin") is None


def test_files_are_listed_by_prefix_sorted_with_contents_on_demand(store: Store) -> None:
    paths = ["/b", "/a/Z", "/a/ä", "/a/b", "/a%", "/a"]
    store.files.put([StoredFile("w", file(path, b"xyz")) for path in paths])
    assert [found.path for found in store.files.list("w", "/a/")] == ["/a/Z", "/a/b", "/a/ä"]
    assert [found.path for found in store.files.list("w", "/a%")] == ["/a%"]
    assert {found.content for found in store.files.list("w", "/")} == {b""}
    assert {found.size_bytes for found in store.files.list("w", "/")} == {3}
    assert {found.content for found in store.files.list("w", "/", contents=True)} == {b"xyz"}


def test_files_are_read_by_their_paths_with_their_contents(store: Store) -> None:
    paths = ["/b", "/a", "/a/b", "/c"]
    store.files.put([StoredFile("w", file(path, path.encode())) for path in paths])
    store.files.put([StoredFile("other", file("/d"))])

    read = store.files.read("w", ["/b", "/a/b", "/d", "/none", "/b"])

    assert read == [file("/a/b", b"/a/b"), file("/b", b"/b")]
    assert store.files.read("w", []) == []


def test_a_file_put_again_is_replaced(store: Store) -> None:
    store.files.put([])
    for version in (b"1", b"22", b"333"):
        store.files.put([StoredFile("w", file("/a", version)), StoredFile("w", file("/b"))])
    assert store.files.list("w", "/", contents=True) == [file("/a", b"333"), file("/b")]


def test_of_one_path_put_twice_at_once_the_last_stays(store: Store) -> None:
    store.files.put([StoredFile("w", file("/a", b"1")), StoredFile("w", file("/a", b"2"))])
    assert store.files.list("w", "/", contents=True) == [file("/a", b"2")]


def test_deleted_files_can_come_again(store: Store) -> None:
    for _ in range(3):
        store.files.put([StoredFile("w", file(path)) for path in ("/a", "/b", "/c")])
        assert store.files.delete("w", ["/a", "/b", "/b", "/none"]) == 2
        assert store.files.delete("w", []) == 0
        assert [found.path for found in store.files.list("w", "/")] == ["/c"]


def test_files_are_exchanged_for_others(store: Store) -> None:
    store.files.put([StoredFile("w", file(path, b"old")) for path in ("/a", "/b", "/c")])
    store.files.exchange("w", {"/a", "/b"}, [file("/c", b"new"), file("/d", b"new")])
    left = store.files.list("w", "/", contents=True)
    assert [(found.path, found.content) for found in left] == [("/c", b"new"), ("/d", b"new")]
