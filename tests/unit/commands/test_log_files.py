"""The log files of a server's processes are read as one log, in chronological order."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.commands.log_files import (
    MAX_FILES,
    MAX_LINE_BYTES,
    LogFile,
    LogLine,
    list_log_files,
    merged,
    newest,
)
from everruns.commands.log_lines import Wanted, json_line, log_time, readable

SESSION = "session_" + "1" * 32
HEADER = b":job_id:01000000\n:actor_name:SessionActor\n:actor_name:session host on 10.0.0.1\n"


def time_of(second: int) -> str:
    return f"2026-11-30T10:{second // 60:02d}:{second % 60:02d}.000000Z"


def line(second: int, event: str = "hello", **fields: Any) -> bytes:
    known = {"event": event, "level": "info", "timestamp": time_of(second), **fields}
    return orjson.dumps(known) + b"\n"


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / f"worker-{name}.err"
    with path.open("ab") as file:
        file.write(content)
    return path


def rotate(path: Path, parts: int = 3) -> None:
    """Cut a file off as Ray does."""
    for number in range(parts - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.rename(path.with_name(f"{path.name}.{number + 1}"))
    path.rename(path.with_name(f"{path.name}.1"))
    path.touch()


def lines_of(path: Path) -> list[LogLine]:
    with closing(LogFile(path)) as file:
        return list(file.lines())


def events(lines: Sequence[LogLine]) -> list[str]:
    return [one.fields["event"] for one in lines]


def log_line(second: int = 0, event: str = "hello", **fields: Any) -> LogLine:
    raw = line(second, event, **fields)
    return LogLine(time_of(second), orjson.loads(raw), raw)


def test_lines_of_all_processes_come_in_the_order_of_time(tmp_path: Path):
    write(tmp_path, "a", HEADER + line(1, "first") + line(4, "fourth"))
    write(tmp_path, "b", HEADER + line(2, "second") + line(3, "third"))
    files = [LogFile(path) for path in list_log_files(tmp_path)]
    assert events(list(merged(files))) == ["first", "second", "third", "fourth"]
    for file in files:
        file.close()


def test_what_was_cut_off_is_read_first(tmp_path: Path):
    path = write(tmp_path, "a", HEADER + line(1, "1"))
    rotate(path)
    write(tmp_path, "a", line(2, "2"))
    rotate(path)
    write(tmp_path, "a", line(3, "3"))
    assert events(lines_of(path)) == ["1", "2", "3"]


@given(cuts=st.lists(st.sampled_from(["write", "half", "rotate", "read"]), max_size=30))
def test_each_line_is_read_once_however_it_is_written_and_cut_off(
    cuts: list[str], tmp_path_factory: pytest.TempPathFactory
):
    folder = tmp_path_factory.mktemp("logs")
    path = write(folder, "a", HEADER)
    file, read, written, rotated = LogFile(path), [], 0, False
    read += file.lines()
    for cut in cuts:
        content = line(written, str(written))
        match cut:
            case "write":
                write(folder, "a", content)
                written += 1
            case "half":
                write(folder, "a", content[:10])
                read += file.lines()
                write(folder, "a", content[10:])
                written += 1
            case "rotate" if not rotated:
                # A reader looks more often than a file is cut off.
                rotate(path)
                rotated = True
            case _:
                read += file.lines()
                rotated = False
    read += file.lines()
    file.close()
    assert events(read) == [str(number) for number in range(written)]


@pytest.mark.parametrize(
    "owner",
    ["RegistryActor", "SessionActor", "AnalystActor", "LocalModelActor", "ServeReplica:everruns"],
)
def test_the_processes_of_a_server_are_known(tmp_path: Path, owner: str):
    path = write(tmp_path, "a", b":actor_name:" + owner.encode() + b"\n" + line(1, "known"))
    assert events(lines_of(path)) == ["known"]


def test_a_line_that_is_not_json_is_shown_where_it_stands(tmp_path: Path):
    path = write(tmp_path, "a", HEADER + line(5) + b"Fatal Python error: Aborted\n")
    *_, last = lines_of(path)
    assert last.time == time_of(5)
    assert readable(last).plain == "Fatal Python error: Aborted"
    assert orjson.loads(json_line(last))["text"] == "Fatal Python error: Aborted"


@pytest.mark.parametrize(
    "content",
    [
        b":actor_name:ServeController\nINFO Serve says something\n",
        b":actor_name:SomebodysActor\n" + line(1),
        b"without an owner\n",
        HEADER + b"\n",
    ],
)
def test_what_others_write_is_left_out(tmp_path: Path, content: bytes):
    assert lines_of(write(tmp_path, "a", content)) == []


def test_lines_are_ours_also_where_the_beginning_of_the_file_was_cut_off(tmp_path: Path):
    assert events(lines_of(write(tmp_path, "a", line(1)))) == ["hello"]


def test_a_line_that_is_too_long_is_left_out_and_the_next_is_not(tmp_path: Path):
    path = write(tmp_path, "a", HEADER + b"x" * (2 * MAX_LINE_BYTES) + b"\n" + line(1, "next"))
    assert events(lines_of(path)) == ["next"]


def test_a_round_of_one_file_is_bounded(tmp_path: Path):
    path = write(tmp_path, "a", HEADER + 20_000 * line(1, "x" * 200))
    file = LogFile(path)
    counts = []
    while count := len(newest([file])):
        counts.append(count)
    file.close()
    assert sum(counts) == 20_000
    assert len(counts) > 3


def test_of_many_files_the_newest_are_read(tmp_path: Path):
    for number in range(MAX_FILES + 5):
        write(tmp_path, str(number), HEADER)
    assert len(list_log_files(tmp_path)) == MAX_FILES


def test_a_file_that_is_gone_is_empty(tmp_path: Path):
    path = write(tmp_path, "a", HEADER + line(1))
    file = LogFile(path)
    path.unlink()
    assert list(file.lines()) == []


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        (Wanted(), True),
        (Wanted(session_id=SESSION), True),
        (Wanted(session_id="session_" + "2" * 32), False),
        (Wanted(turn_id="turn_1"), False),
        (Wanted(level="info"), True),
        (Wanted(level="debug"), True),
        (Wanted(level="warning"), False),
        (Wanted(actor="session"), True),
        (Wanted(actor="session-actor-1"), True),
        (Wanted(actor="session-actor-10"), False),
        (Wanted(actor="registry"), False),
        (Wanted(since=time_of(60)), True),
        (Wanted(since=time_of(61)), False),
    ],
)
def test_lines_are_chosen_by_what_they_are_about(wanted: Wanted, has: bool):
    assert wanted.has(log_line(60, session_id=SESSION, actor="session-actor-1")) is has


def test_a_time_is_compared_as_lines_have_it():
    assert log_time(1_796_032_800_500) == "2026-11-30T10:00:00.500000Z"


def test_a_readable_line_begins_with_time_level_process_and_event():
    shown = readable(log_line(5, "turn ended", actor="session-actor-0", outcome="failed", waits=2))
    assert shown.plain.split() == [
        *("10:00:05.000", "info", "session-actor-0", "turn", "ended"),
        *("outcome=failed", "waits=2"),
    ]


def test_an_exception_stands_below_its_line():
    shown = readable(log_line(exception="Traceback\n  File x\nbuiltins.KeyError\n"))
    assert shown.plain.splitlines()[1:] == [
        *("    Traceback", "      File x", "    builtins.KeyError"),
    ]


def test_no_line_can_move_the_cursor():
    shown = readable(log_line(event="\x1b[2J", **{"na\x1bme": "\x1b]0;x\x07"}))
    assert "\x1b" not in shown.plain


def test_no_line_that_another_program_wrote_stops_the_command_or_moves_the_cursor(tmp_path: Path):
    escape = "\x1b[2J\x9b2J"
    path = write(
        tmp_path,
        "a",
        HEADER
        + line(1, actor=[1], session_id={"a": 1})
        + line(2, "unstructured")
        + line(3, "unstructured", text=escape)
        + line(4, timestamp=f"2026-11-30T{escape}", level=escape)
        + line(5, escape, exception=escape, **{escape: escape, "actor": escape}),
    )
    with closing(LogFile(path)) as file:
        lines = list(file.lines())

    assert len(lines) == 5
    assert not any(Wanted(actor="session").has(one) for one in lines)
    for one in lines:
        assert readable(one).plain.replace("\n", "").isprintable()
