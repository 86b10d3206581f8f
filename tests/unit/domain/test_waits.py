"""How long calls wait for somebody outside: the rules, and what time brings."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from everruns.domain.events import EventType
from everruns.domain.tools import ClientTool
from everruns.domain.waits import NEVER_MS, WaitRule
from tests.logs import RULES, LogWriter, call_part, logs

TOOL = {"name": "ring", "description": "Ring.", "parameters": {"type": "object"}}


def waiting_log(rule: WaitRule) -> LogWriter:
    """A log whose turn waits for one call."""
    log = LogWriter()
    log.user("go")
    log.agent(calls=[call_part("a")])
    log.ask("a", rule)
    return log


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"timeout_seconds": 0}, "from 1 to 31536000"),
        ({"timeout_seconds": 31_536_001}, "from 1 to 31536000"),
        ({"timeout_seconds": "soon"}, 'or "never"'),
        ({"timeout_seconds": True}, "number of seconds"),
        ({"on_timeout": "forget"}, "keep_waiting"),
        ({"on_timeout": "recommendation"}, "only questions recommend"),
        ({"timeout_seconds": 60, "remind_after_seconds": 60}, "less than timeout_seconds"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_refused(rule: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words):
        ClientTool.model_validate({**TOOL, "wait": rule})


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"timeout_seconds": "never"},
        {"timeout_seconds": 1.5, "on_timeout": "error", "remind_after_seconds": 1},
        {"timeout_seconds": 60, "on_timeout": "keep_waiting", "remind_after_seconds": 90},
    ],
)
def test_a_rule_is_kept_as_it_was_sent(rule: dict[str, Any]):
    assert ClientTool.model_validate({**TOOL, "wait": rule}).defined().wait == WaitRule(**rule)


def test_what_a_rule_leaves_open_comes_from_the_more_general_one():
    deployment = WaitRule.of_deployment(300)
    agent = WaitRule(timeout_seconds=60, remind_after_seconds=30)
    tool = WaitRule(on_timeout="keep_waiting")
    assert tool.or_else(agent).or_else(deployment).recorded() == {
        "timeout_ms": 60_000,
        "remind_after_ms": 30_000,
        "on_timeout": "keep_waiting",
    }
    assert WaitRule().or_else(None).or_else(deployment) == deployment


def test_never_is_recorded_as_the_absence_of_a_time():
    for rule in (WaitRule(timeout_seconds="never"), WaitRule.of_deployment(0)):
        assert rule.or_else(WaitRule.of_deployment(300)).recorded() == {"on_timeout": "error"}
        assert waiting_log(rule).state.summary.waits_until_ms == NEVER_MS


def test_a_reminder_comes_once_and_then_the_end():
    log = waiting_log(WaitRule(timeout_seconds=60, remind_after_seconds=10))
    assert log.state.summary.waits_until_ms == log.events[-1].ts + 10_000
    assert log.pass_time(9_000) == []
    (reminder,) = log.pass_time(1_000)
    assert (reminder.type, reminder.data["overdue"]) == ("wait.reminder", False)
    assert log.pass_time(1_000) == []
    assert log.refold().summary.waits_until_ms == log.events[3].ts + 60_000
    (end,) = log.pass_time(60_000)
    assert (end.type, end.data["unanswered"]) == ("tool.result", "timed_out")


def test_a_call_that_keeps_waiting_says_once_that_it_is_overdue():
    log = waiting_log(WaitRule(timeout_seconds=60, on_timeout="keep_waiting"))
    (overdue,) = log.pass_time(60_000)
    assert overdue.data["overdue"]
    assert overdue.data["expires_at"] == log.state.turn.waiting_for[0].expires_at
    assert log.pass_time(60_000) == []
    assert log.refold().status == "waitingfortoolresults"
    assert log.refold().summary.waits_until_ms == NEVER_MS


def test_who_comes_back_after_the_end_is_not_reminded_of_it():
    log = waiting_log(WaitRule(timeout_seconds=60, remind_after_seconds=10))
    assert [event.type for event in log.pass_time(60_000)] == ["tool.result"]


def test_a_wait_of_an_older_log_ends_as_it_did():
    questions = [{"id": "format", "question": "Which?", "kind": "text"}]
    log = LogWriter()
    log.user("go")
    log.agent(calls=[call_part("a"), call_part("b", "ask_user", questions=questions)])
    for call_id in ("a", "b"):
        call = log.state.turn.pending[call_id].wire()
        data = {"tool_call": call, "message_id": "x", "client_side": True, "timeout_ms": 10}
        log.write(EventType.TOOL_CALL, data)
    tool, question = log.pass_time(10)
    assert "error" in tool.data
    assert question.data["result"]["status"] == "timed_out"


@settings(max_examples=60, deadline=None)
@given(rule=RULES, steps=st.lists(st.integers(0, 2_000), max_size=12))
def test_whenever_one_looks_each_moment_is_recorded_once(rule: WaitRule, steps: list[int]):
    log = waiting_log(rule)
    for ms in steps:
        if log.state.turn.pending:
            log.pass_time(ms)
            assert log.refold() == log.state
    reminders = [event.data for event in log.events if event.type == "wait.reminder"]
    assert len([one for one in reminders if not one["overdue"]]) <= 1
    assert len([one for one in reminders if one["overdue"]]) <= 1


@settings(max_examples=60, deadline=None)
@given(log=logs())
def test_a_turn_waits_exactly_while_all_its_calls_do(log: LogWriter):
    turn = log.state.turn
    waits = turn is not None and bool(turn.pending) and turn.pending.keys() <= turn.waiting.keys()
    assert (log.state.status == "waitingfortoolresults") == waits
    assert (log.state.summary.waits_until_ms is not None) == waits
    shown = {wait.tool_call_id for wait in log.state.summary.waiting_for}
    assert shown == (turn.waiting.keys() if turn else set())
