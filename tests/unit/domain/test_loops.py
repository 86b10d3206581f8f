"""When a model is in a loop, and when it only looks like it."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.domain.loops import Loop, LoopWatch, find_loop
from everruns.domain.messages import ToolCallPart
from everruns.domain.snapshots import resume, snapshot_of
from everruns.domain.tools import ToolCall
from tests.logs import LogWriter

LIMIT = 10
Step = Sequence[tuple[str, Any, Any]]
"""The calls of an answer: tool, arguments, and the result, which is an error if it is one."""


class Error(str):
    """A result that is an error."""

    __slots__ = ()


def watch_of(*steps: Step) -> LoopWatch:
    watch = LoopWatch()
    for step in steps:
        for name, arguments, result in step:
            error = str(result) if isinstance(result, Error) else None
            called = ToolCall(id="call", name=name, arguments={"of": arguments})
            watch.note_result(called, None if error else result, error)
        watch.close_step()
    return watch


def loop(*steps: Step, changing: str = "") -> Loop | None:
    return find_loop(watch_of(*steps), lambda name: name == changing, LIMIT)


def first_loops(steps: Sequence[Step], changing: str = "") -> tuple[int | None, int | None]:
    """Return after how many of the steps the model is told, and after how many the turn ends."""
    watch, told, ended = LoopWatch(), None, None
    for number, step in enumerate(steps, 1):
        for name, arguments, result in step:
            error = str(result) if isinstance(result, Error) else None
            called = ToolCall(id="call", name=name, arguments={"of": arguments})
            watch.note_result(called, None if error else result, error)
        watch.close_step()
        found = find_loop(watch, lambda name: name == changing, LIMIT)
        told = told or (number if found else None)
        ended = ended or (number if found and found.is_over else None)
    return told, ended


LOOK: Step = [("ls", ".", ["a"])]
OTHER: Step = [("pwd", "", "/")]


def test_the_same_call_with_the_same_result_is_told_and_then_ends():
    assert first_loops([LOOK] * 20) == (5, 10)


def test_empty_results_count_like_others():
    # superplane#4123.
    assert first_loops([[("search", "x", [])]] * 20) == (5, 10)


def test_two_calls_that_alternate_are_a_loop():
    assert first_loops([LOOK, OTHER] * 20) == (10, 20)


def test_a_round_of_several_calls_is_a_loop():
    third: Step = [("date", "", "today")]
    assert first_loops([LOOK, OTHER, third] * 20) == (15, 30)


def test_the_same_calls_in_one_answer_count_once():
    assert first_loops([[*LOOK, *LOOK, *OTHER]] * 20) == (5, 10)


def test_a_poll_whose_result_changes_is_no_loop():
    # OpenMonoAgent#47, fastclaw#80.
    assert first_loops([[("status", "job", f"{n} %")] for n in range(1000)]) == (None, None)


def test_a_poll_whose_result_never_changes_ends():
    # openclaw#16808: 1,535 polls.
    assert first_loops([[("status", "job", "running")]] * 1535) == (5, 10)


def test_other_arguments_are_no_loop():
    # pydantic-deepagents#208: three attachments.
    assert first_loops([[("attach", n, "done")] for n in range(100)]) == (None, None)


def test_a_call_between_others_that_show_something_new_takes_three_times_as_long():
    # pi#6158, xalgorix#158: other tools must not reset the count.
    steps = [step for n in range(100) for step in (LOOK, [("write", n, "done")])]
    assert first_loops(steps) == (29, 59)


def test_a_change_that_fails_again_and_again_is_told_at_once():
    # claude-code#67311: 395 calls that failed, nanobot#5344: each with other words.
    steps: list[Step] = [[("save", "x", Error(f"failed at {n}"))] for n in range(395)]
    assert first_loops(steps, changing="save") == (2, 4)
    assert first_loops(steps) == (None, None)


def test_a_success_forgives_failures():
    failed: Step = [("save", "x", Error("busy"))]
    steps = [failed, [("save", "x", "saved")]] * 4
    assert loop(*steps[:2], failed, changing="save") is None


def test_without_a_limit_nothing_is_a_loop():
    assert find_loop(watch_of(*[LOOK] * 100), lambda _: True, 0) is None


def test_the_order_of_the_results_of_a_step_does_not_matter():
    new: list[Step] = [[*LOOK, ("write", n, "done")] for n in range(6)]
    turned: list[Step] = [list(reversed(step)) for step in new]
    assert watch_of(*new).repeats == watch_of(*turned).repeats


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.just(1), st.sampled_from([1, 2])), max_size=40)
)
def test_no_loop_is_found_before_a_call_was_repeated_often_enough(calls: list[Any]):
    found = loop(*[[one] for one in calls])
    counts = [calls.count(one) for one in calls]
    if found is not None:
        assert max(counts) * 2 >= LIMIT
        assert found.times <= max(counts)


def called(log: LogWriter, result: Any) -> None:
    number = log.state.sequence
    log.agent("", [ToolCallPart(id=f"call_{number}", name="ls", arguments={})])
    log.tool_result(f"call_{number}", result)


@pytest.mark.parametrize("times", [5, 10])
def test_a_loop_is_counted_on_from_a_snapshot(times: int):
    log = LogWriter()
    log.user("Look.")
    for _ in range(3):
        called(log, ["a"])
    snapshot, last = snapshot_of(log.state, log.events[-1]), len(log.events)
    for _ in range(times - 3):
        called(log, ["a"])
    resumed = resume(snapshot, log.events[last - 1 :])
    for state in (log.state, log.refold(), resumed):
        assert state.turn
        found = find_loop(state.turn.watch, lambda _: False, LIMIT)
        assert found == Loop("ls", times, has_failed=False, is_over=times == LIMIT)


def test_a_users_message_begins_anew():
    log = LogWriter()
    log.user("Look.")
    for _ in range(9):
        called(log, ["a"])
    log.user("Look again.")
    called(log, ["a"])
    assert log.state.turn
    assert find_loop(log.state.turn.watch, lambda _: False, LIMIT) is None
