"""``everruns logs`` finds the log of a server that runs or has ended."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from everruns.cli import cli
from everruns.commands.log_lines import Wanted
from everruns.commands.logs import Log
from everruns.errors import NotFound
from everruns.storage.data_directory.logs_link import link_logs, logs_link
from tests.unit.commands.test_log_files import HEADER, SESSION, events, line, write

WANTED = Wanted()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory whose server has logged something."""
    data_dir, first = tmp_path / "data", tmp_path / "first"
    data_dir.mkdir()
    first.mkdir()
    write(first, "a", HEADER + line(1, "one", session_id=SESSION) + line(2, "two"))
    link_logs(data_dir, str(first))
    return data_dir


def show(data_dir: Path, *options: str) -> str:
    shown = CliRunner().invoke(cli, ["logs", "--data-dir", str(data_dir), *options])
    assert shown.exit_code == 0, shown.output
    return shown.output


def test_where_it_is_piped_the_lines_are_as_in_the_files(data_dir: Path):
    expected = (line(1, "one", session_id=SESSION) + line(2, "two")).decode()
    assert show(data_dir) == expected


def test_people_get_text(data_dir: Path):
    (only,) = show(data_dir, "-o", "text", "--session", SESSION).splitlines()
    assert only.startswith("10:00:01.000 info")


def test_only_the_newest_lines_may_be_wanted(data_dir: Path):
    assert show(data_dir, "-n", "1") == line(2, "two").decode()
    assert show(data_dir, "-n", "0") == ""


def test_a_folder_can_be_named(data_dir: Path):
    assert show(data_dir.parent / "other", "--folder", str(logs_link(data_dir))) == show(data_dir)


def test_what_is_logged_later_follows_in_new_files_and_by_a_new_server_too(data_dir: Path):
    first, second = logs_link(data_dir).resolve(), data_dir.parent / "second"
    log = Log(logs_link(data_dir))
    assert events(list(log.until_now(WANTED, None))) == ["one", "two"]

    write(first, "a", line(3, "three"))
    assert events(log.news()) == ["three"]
    write(first, "b", HEADER + line(4, "four"))
    seen = log.news() + log.news()
    assert events(seen) == ["four"]

    second.mkdir()
    write(second, "c", HEADER + line(6, "six"))
    write(first, "a", line(5, "five"))
    link_logs(data_dir, str(second))
    assert events(log.news() + log.news()) == ["five", "six"]
    assert log.news() == []
    log.close()


def test_without_a_log_it_says_what_to_do(tmp_path: Path):
    with pytest.raises(NotFound, match="Start a server with everruns serve"):
        Log(logs_link(tmp_path))


def test_a_log_that_was_deleted_counts_as_none(data_dir: Path):
    link_logs(data_dir, str(data_dir / "nothing"))
    with pytest.raises(NotFound):
        Log(logs_link(data_dir))


@pytest.mark.parametrize(
    ("option", "value"), [("--session", "session_1"), ("--turn", SESSION), ("--level", "loud")]
)
def test_an_option_that_cannot_match_anything_is_refused(data_dir: Path, option: str, value: str):
    shown = CliRunner().invoke(cli, ["logs", "--data-dir", str(data_dir), option, value])
    assert value in str(shown.exception)
