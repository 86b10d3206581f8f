"""What a start shows of itself: a line for each phase, and nothing of one that failed."""

import io
import re
import time

import psutil
import pytest
from rich.console import Console

from everruns.commands.phases import Phases
from everruns.errors import Unavailable

ENDED = r"{} … \d+\.\d s"


@pytest.fixture
def pipe() -> Console:
    return Console(file=io.StringIO(), width=80)


def lines(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_each_phase_is_one_line_in_a_pipe_once_it_has_ended(pipe: Console):
    with Phases(pipe) as phases:
        phases.begin("Starting Ray")
        assert lines(pipe) == []
        phases.begin("Starting the API")
        phases.end()
        shown = lines(pipe)

    assert re.fullmatch(ENDED.format("Starting Ray"), shown[0])
    assert re.fullmatch(ENDED.format("Starting the API"), shown[1])
    assert lines(pipe) == shown


def test_what_runs_when_a_start_fails_is_left_to_the_error(pipe: Console):
    def start() -> None:
        with Phases(pipe) as phases:
            phases.begin("Starting Ray")
            raise Unavailable("Ray did not start.")

    with pytest.raises(Unavailable):
        start()

    assert lines(pipe) == []


def test_a_phase_after_the_start_is_shown_too(pipe: Console):
    with Phases(pipe) as phases:
        phases.begin("Starting the API")
        phases.end()
        phases.begin("Stopping")

    assert [line.partition(" …")[0] for line in lines(pipe)] == ["Starting the API", "Stopping"]


def test_on_a_terminal_the_phase_that_runs_is_seen_with_its_seconds_and_goes_when_it_has_ended():
    terminal = Console(file=io.StringIO(), width=80, force_terminal=True)
    with Phases(terminal) as phases:
        phases.begin("Starting Ray")
        shown = "".join(lines(terminal))
        phases.end()

    assert "Starting Ray … 0 s" in shown
    assert re.search(ENDED.format("Starting Ray"), "".join(lines(terminal)))


def test_the_seconds_of_a_start_count_from_the_process_itself(pipe: Console):
    began_s = psutil.Process().create_time()
    before_s = time.time() - began_s

    seconds = Phases(pipe).seconds

    # The process's start is known to a hundredth of a second.
    assert before_s - 0.01 <= seconds <= time.time() - began_s + 0.01
