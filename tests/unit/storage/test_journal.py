"""The journal: what was written is there until it is done, whatever was torn."""

import errno
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everruns.storage.journal import file as module
from everruns.storage.journal.file import Journal, JournalDamaged

ENTRIES = [b"first", b"", b"EVJ1 in a text", bytes(range(256)) * 20]


def written(folder: Path, *entries: bytes) -> Path:
    """The file of a process that was killed after it had written these."""
    journal = Journal(folder)
    for entry in entries:
        journal.write(entry)
    (file,) = sorted(folder.iterdir())[-1:]
    return file


def left(folder: Path) -> list[bytes]:
    return Journal(folder).left


def test_what_was_written_is_left_for_the_next_life(tmp_path: Path):
    written(tmp_path / "journal", *ENTRIES)
    assert left(tmp_path / "journal") == ENTRIES


def test_what_is_left_stays_until_it_is_forgotten(tmp_path: Path):
    written(tmp_path, b"one")
    written(tmp_path, b"two")
    third = Journal(tmp_path)
    assert third.left == [b"one", b"two"]
    third.forget_left()
    assert left(tmp_path) == []


def test_what_is_done_is_left_no_longer_once_nothing_else_is_undone(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.write(b"one")
    journal.write(b"two")
    journal.done(1)
    assert left(tmp_path) == [b"one", b"two"]
    journal.done(1)
    assert left(tmp_path) == []
    journal.write(b"three")
    assert left(tmp_path) == [b"three"]


def test_a_full_file_goes_when_all_in_it_is_done(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(module, "FILE_BYTES", 100)
    journal = Journal(tmp_path)
    for number in range(9):
        journal.write(b"%d" % number * 40)
    assert len(list(tmp_path.iterdir())) > 3
    journal.done(7)
    assert left(tmp_path)[-2:] == [b"7" * 40, b"8" * 40]
    assert b"0" * 40 not in left(tmp_path)
    journal.done(2)
    journal.close()
    assert left(tmp_path) == []


def test_closing_leaves_what_is_undone(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.write(b"one")
    journal.close()
    assert left(tmp_path) == [b"one"]
    with pytest.raises(OSError, match="closed"):
        journal.write(b"two")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_last_write_that_is_torn_anywhere_is_cut_off(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    folder = tmp_path_factory.mktemp("journal")
    file = written(folder, *ENTRIES)
    whole = file.read_bytes()
    begin = len(whole) - len(ENTRIES[-1])
    if data.draw(st.booleans(), "ends too early"):
        torn = whole[: data.draw(st.integers(begin - 12, len(whole) - 1), "length")]
    else:
        start = data.draw(st.integers(begin, len(whole) - 1), "zeros from")
        end = data.draw(st.integers(start + 1, len(whole)), "to")
        torn = whole[:start] + bytes(end - start) + whole[end:]
    file.write_bytes(torn)

    expected = ENTRIES if torn == whole else ENTRIES[:-1]
    assert left(folder) == expected
    written(folder, b"more")
    assert left(folder) == [*expected, b"more"]


@pytest.mark.parametrize("place", [0, 5, 9, 13])
def test_damage_that_entries_follow_is_refused_and_nothing_changed(tmp_path: Path, place: int):
    file = written(tmp_path, *ENTRIES)
    damaged = bytearray(file.read_bytes())
    damaged[place] ^= 0x10
    file.write_bytes(damaged)
    with pytest.raises(JournalDamaged, match=r"Corrupt journal .* byte 0"):
        Journal(tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [damaged]


def test_damage_that_files_follow_is_refused(tmp_path: Path):
    file = written(tmp_path, b"one")
    written(tmp_path, b"two")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(JournalDamaged):
        Journal(tmp_path)


def test_a_write_that_failed_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    journal = Journal(tmp_path)
    journal.write(b"one")
    sync, failures = module.make_durable, [OSError(errno.ENOSPC, "No space left on device")]

    def fail_once(descriptor: int) -> None:
        if failures:
            raise failures.pop()
        sync(descriptor)

    monkeypatch.setattr(module, "make_durable", fail_once)
    with pytest.raises(OSError, match="No space"):
        journal.write(b"two")
    journal.write(b"three")
    assert left(tmp_path) == [b"one", b"three"]


def test_after_a_write_that_cannot_be_taken_back_none_is_taken_until_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    journal = Journal(tmp_path)

    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(module, "make_durable", fail)
        for attempt in (b"one", b"two"):
            with pytest.raises(OSError, match="Input/output"):
                journal.write(attempt)
        with pytest.raises(OSError, match="Input/output"):
            journal.check()
    journal.check()
    journal.write(b"three")
    assert left(tmp_path) == [b"three"]


@pytest.mark.parametrize("call", ["ftruncate", "unlink"])
def test_what_is_done_may_stay_where_files_cannot_be_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
):
    monkeypatch.setattr(module, "FILE_BYTES", 1)
    journal = Journal(tmp_path)
    journal.write(b"one")
    journal.write(b"two")

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as unchangeable:
        target = module.os if call == "ftruncate" else Path
        unchangeable.setattr(target, call, refuse)
        journal.done(2)
    journal.write(b"three")
    assert left(tmp_path)[-1] == b"three"
    journal.done(1)


def test_a_full_file_that_could_not_be_emptied_goes_when_later_entries_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "FILE_BYTES", 1)
    journal = Journal(tmp_path)
    journal.write(b"one")

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as unchangeable:
        unchangeable.setattr(module.os, "ftruncate", refuse)
        journal.done(1)
    for entry in (b"two", b"three"):
        journal.write(entry)
        journal.done(1)
    assert len(list(tmp_path.iterdir())) == 1
    assert left(tmp_path) == []


def test_once_settled_nothing_that_is_done_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "FILE_BYTES", 1)
    journal = Journal(tmp_path)
    journal.write(b"one")
    journal.write(b"two")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as unchangeable:
        unchangeable.setattr(module.os, "ftruncate", refuse)
        unchangeable.setattr(Path, "unlink", refuse)
        journal.done(2)
        with pytest.raises(OSError, match="Read-only"):
            journal.settle()
    assert left(tmp_path) == [b"one", b"two"]
    journal.settle()
    assert left(tmp_path) == []


def test_what_is_undone_is_left_though_settled(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.write(b"one")
    journal.settle()
    assert left(tmp_path) == [b"one"]


def test_what_is_kept_aside_is_no_part_of_the_journal(tmp_path: Path):
    journal = Journal(tmp_path / "journal")
    kept = journal.keep_aside(b"one")
    assert journal.keep_aside(b"two") == kept
    assert b"one" in kept.read_bytes()
    assert left(tmp_path / "journal") == []


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path):
    journal = written(tmp_path, b"one")
    note = journal.with_name("note.txt")
    note.write_text("mine")
    again = Journal(tmp_path)
    again.forget_left()
    again.close()
    assert list(tmp_path.iterdir()) == [note]


def test_a_closed_journal_takes_nothing_more(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.close()
    journal.done(1)
    with pytest.raises(OSError, match="closed"):
        journal.write(b"one")
