"""A write that a crash tore is cut off at the next start; damage to what was stored is refused."""

import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from everruns.domain.events import EventType, NewEvent
from everruns.domain.sessions import Session, SessionSummary
from everruns.errors import StoreUnavailable
from everruns.storage.data_directory.opening import DATABASE_FILE, LOG_FILE, open_store
from everruns.storage.journal.store import JournaledStore
from everruns.storage.logs import FIRST_HOLDER, Append, EventQuery

SESSION = f"session_{1:032x}"
APPENDS = 8
BLOCK = 512
COMMIT = 21  # bytes of the record that ends a transaction
TIME = "2026-01-01T00:00:00.000Z"

# Appends events, tells how long the write-ahead log is after each, and is killed.
WRITER = f"""
import os, signal, sys
from pathlib import Path
from everruns.storage.data_directory.opening import open_store
from tests.faults.test_torn_writes import LOG_FILE, append, insert_session, sequences

data_dir = Path(sys.argv[1])
store = open_store(data_dir)
insert_session(store)
for sequence in range(1, {APPENDS} + 1):
    append(store, sequence)
    sequences(store)  # brings it out of the journal
    print((data_dir / LOG_FILE).stat().st_size, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def insert_session(store: JournaledStore) -> None:
    store.sessions.insert(
        Session(
            id=SESSION,
            harness_id="h",
            organization_id="o",
            workspace_id="w",
            created_at=TIME,
            updated_at=TIME,
        )
    )


def append(store: JournaledStore, sequence: int) -> None:
    data = {"result": f"Größe 🙂 {sequence}"}
    event = NewEvent(EventType.TOOL_RESULT, data, {}).at(SESSION, sequence, sequence)
    summary = SessionSummary(sequence=sequence)
    assert store.logs.append([Append(SESSION, sequence, [event], summary, FIRST_HOLDER)]) == [None]


def sequences(store: JournaledStore) -> list[int]:
    return [event.sequence for event in store.logs.read(SESSION, EventQuery())]


@dataclass
class Crashed:
    """What a killed writer left.

    Attributes:
        files: The data directory's files.
        ends: How long the write-ahead log was after each append, by its place.
    """

    files: dict[str, bytes]
    ends: list[int]

    @property
    def log(self) -> bytes:
        return self.files[LOG_FILE]

    @property
    def first_record(self) -> range:
        """Where the record is that has no checksum."""
        return range(self.log.index(b"\xff\xff") + 2)

    def stored(self, length: int) -> int:
        """How many appends the first bytes of the log hold."""
        return sum(end <= length for end in self.ends)

    def put(self, data_dir: Path, **changed: bytes) -> None:
        """Make a data directory of it, with another log or database."""
        shutil.rmtree(data_dir, ignore_errors=True)
        data_dir.mkdir()
        names = {"log": LOG_FILE, "database": DATABASE_FILE}
        changes = {names[name]: content for name, content in changed.items()}
        for name, content in (self.files | changes).items():
            (data_dir / name).write_bytes(content)


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Crashed:
    data_dir = tmp_path_factory.mktemp("crashed")
    command = [sys.executable, "-c", WRITER, str(data_dir)]
    writer = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], timeout=120
    )
    assert writer.returncode == -signal.SIGKILL
    ends = [int(line) for line in writer.stdout.split()]
    assert len(ends) == APPENDS
    return Crashed({path.name: path.read_bytes() for path in files(data_dir)}, ends)


def files(data_dir: Path) -> list[Path]:
    return [path for path in data_dir.iterdir() if path.is_file()]


def database_files(data_dir: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in data_dir.glob(f"{DATABASE_FILE}*")}


def opens_with(data_dir: Path, stored: int, *, goes_on: bool = True) -> None:
    """The log holds so many events, and takes the next, which is there when opened again."""
    store = open_store(data_dir)
    assert sequences(store) == list(range(1, stored + 1))
    if goes_on:
        if store.sessions.find(SESSION) is None:
            insert_session(store)
        append(store, stored + 1)
    store.close()
    if goes_on:
        store = open_store(data_dir)
        assert sequences(store) == list(range(1, stored + 2))
        store.close()


def is_refused(data_dir: Path) -> None:
    """It is told to put a backup back, and nothing was changed."""
    before = database_files(data_dir)
    with pytest.raises(StoreUnavailable, match=r"is damaged\. Restore a backup of it"):
        open_store(data_dir)
    assert database_files(data_dir) == before


def test_a_log_that_ends_anywhere_opens_with_all_that_was_stored_before(
    crashed: Crashed, tmp_path: Path
) -> None:
    whole = crashed.ends[-2]
    last_two = random.sample(range(crashed.ends[-3], len(crashed.log)), 12)
    before = [0, 20, *random.sample(range(crashed.ends[0], crashed.ends[-3]), 4)]

    for length in (whole - COMMIT, whole - 1, whole, whole + 1, *last_two, *before):
        crashed.put(tmp_path / "data", log=crashed.log[:length])
        opens_with(tmp_path / "data", crashed.stored(length), goes_on=length % 2 == 0)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_log_that_ends_at_any_byte_of_its_last_two_records_opens(
    crashed: Crashed, tmp_path: Path
) -> None:
    for length in range(crashed.ends[-3], len(crashed.log)):
        crashed.put(tmp_path / "data", log=crashed.log[:length])
        opens_with(tmp_path / "data", crashed.stored(length), goes_on=length % 16 == 0)


def size(body: int) -> bytes:
    return body.to_bytes(8, "little")


@pytest.mark.parametrize(
    "tail",
    [
        *(bytes([value]) * length for value in (0, 255) for length in (1, 8, 16, 17, 4096)),
        size(100) + bytes(8),
        size(100) + bytes(4088),
        size(5) + b"checksumd\x00d\xff\xff",
    ],
    ids=lambda tail: f"{len(tail)} bytes from {tail[:2].hex()}",
)
def test_what_follows_the_last_record_and_is_none_is_cut_off_and_kept(
    crashed: Crashed, tmp_path: Path, tail: bytes
) -> None:
    crashed.put(tmp_path / "data", log=crashed.log + tail)

    with capture_logs() as logs:
        opens_with(tmp_path / "data", APPENDS)

    kept = tmp_path / "data" / f"{LOG_FILE}.torn-at-{len(crashed.log)}"
    assert kept.read_bytes() == tail
    assert [line["event"] for line in logs] == ["torn write cut off"]
    assert logs[0]["kept"] == str(kept)


def holes(start: int, end: int) -> list[tuple[int, int]]:
    """Stretches of a write that begin or end with a block of the disk."""
    borders = [start, *range(start - start % BLOCK + BLOCK, end, BLOCK), end]
    return [(first, last) for first in borders for last in borders if first < last]


def test_a_last_write_whose_blocks_are_missing_is_cut_off_and_kept(
    crashed: Crashed, tmp_path: Path
) -> None:
    start, end = crashed.ends[-2:]

    for first, last in random.sample(holes(start, end), 8):
        torn = crashed.log[:first] + bytes(last - first) + crashed.log[last:]
        crashed.put(tmp_path / "data", log=torn)
        opens_with(tmp_path / "data", APPENDS - 1)
        assert (tmp_path / "data" / f"{LOG_FILE}.torn-at-{start}").read_bytes() == torn[start:]


def test_a_first_write_whose_blocks_are_missing_is_cut_off(
    crashed: Crashed, tmp_path: Path
) -> None:
    commit = crashed.log[-COMMIT:]
    first_write = crashed.log[: crashed.log.index(commit) + len(commit)]

    for first, last in random.sample(holes(0, len(first_write)), 5):
        torn = first_write[:first] + bytes(last - first) + first_write[last:]
        crashed.put(tmp_path / "data", log=torn)
        opens_with(tmp_path / "data", 0)


def flipped(content: bytes, position: int) -> bytes:
    changed = bytes([content[position] ^ random.randint(1, 255)])
    return content[:position] + changed + content[position + 1 :]


def test_damage_that_records_follow_is_refused_and_nothing_changed(
    crashed: Crashed, tmp_path: Path
) -> None:
    size_and_checksum = range(crashed.ends[3], crashed.ends[3] + 16)
    anywhere = random.sample(range(crashed.first_record.stop, crashed.ends[-2] - COMMIT), 16)

    for position in (*size_and_checksum, *anywhere):
        crashed.put(tmp_path / "data", log=flipped(crashed.log, position))
        is_refused(tmp_path / "data")


def test_a_damaged_beginning_of_the_log_is_refused_unless_it_says_the_same(
    crashed: Crashed, tmp_path: Path
) -> None:
    for position in crashed.first_record:
        crashed.put(tmp_path / "data", log=flipped(crashed.log, position))
        before = database_files(tmp_path / "data")
        try:
            opens_with(tmp_path / "data", APPENDS, goes_on=False)
        except StoreUnavailable as refused:
            assert "is damaged. Restore a backup of it" in str(refused)  # noqa: PT017
            assert database_files(tmp_path / "data") == before


def test_a_torn_write_does_not_hide_damage_before_it(crashed: Crashed, tmp_path: Path) -> None:
    damaged = flipped(crashed.log[:-1], crashed.ends[2] + 100)

    crashed.put(tmp_path / "data", log=damaged)

    is_refused(tmp_path / "data")


@pytest.mark.parametrize(
    "damage",
    [
        lambda database: b"",
        lambda database: b"These are my notes.\n" * 1000,
        lambda database: database[:100],
        lambda database: database[:-1],
        lambda database: bytes(len(database)),
        lambda database: flipped(database, 9),
        lambda database: flipped(database, random.randrange(4096)),
        lambda database: flipped(database, random.randrange(4096, 4196)),
    ],
    ids=["empty", "text", "short", "cut", "zeros", "mark", "first header", "second header"],
)
def test_a_damaged_database_is_refused_and_nothing_changed(
    crashed: Crashed, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    crashed.put(tmp_path / "data", database=damage(crashed.files[DATABASE_FILE]))

    is_refused(tmp_path / "data")
