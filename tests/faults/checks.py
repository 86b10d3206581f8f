"""What must hold of a session afterwards, whatever happened meanwhile.

Source: docs/contract.md, "Events", "Stream rules" and "Turns".
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.faults.client import ENDS, Event, Follower
from tests.faults.model import MARKER, Scenario

# A call may reach the model a little after the process that sent it has died.
ARRIVES_WITHIN_S = 1.0
NOT_REPEATABLE = {"pay", "book"}


def check_log(log: Sequence[Event], acknowledged: Sequence[str]) -> None:
    """The log is whole: no gap, every turn ended once, every message once, a result a call."""
    assert [event["sequence"] for event in log] == list(range(1, len(log) + 1))
    assert len({event["id"] for event in log}) == len(log)
    begun = [event["data"]["turn_id"] for event in log if event["type"] == "session.started"]
    ended = [event["data"]["turn_id"] for event in log if event["type"] in ENDS]
    assert begun == ended
    assert len(set(begun)) == len(begun)
    said = [message["id"] for message in messages(log, "user")]
    assert said == list(acknowledged)
    asked = [call["id"] for said in messages(log, "agent") for call in parts(said, "tool_call")]
    tool_calls = [event["data"]["tool_call"] for event in log if event["type"] == "tool.call"]
    begun_calls = Counter(call["id"] for call in tool_calls)
    # A call that asks the user something is begun again by that and by the answer.
    begun_again = Counter(
        event["data"]["tool_call_id"]
        for event in log
        if event["type"] in {"tool.suspended", "tool.resumed"}
    )
    results = [event["data"]["tool_call_id"] for event in log if event["type"] == "tool.result"]
    assert begun_calls - begun_again == Counter(results) == Counter(asked)


def check_answered(log: Sequence[Event], scenario: Scenario) -> None:
    """Every turn completed, and the model was shown every message."""
    endings = [event for event in log if event["type"] in ENDS]
    assert {event["type"] for event in endings} == {"session.completed"}, endings
    last = messages(log, "user")[-1]
    marked = MARKER.match(parts(last, "text")[0]["text"])
    assert marked is not None
    assert max(call.number for call in scenario.calls) == int(marked["number"])


def check_view(log: Sequence[Event], follower: Follower) -> None:
    """The client read the log, each event once and in order, and its deltas made the texts."""
    assert [event["id"] for event in follower.events] == [event["id"] for event in log]
    assert follower.events == list(log)
    for message in messages(log, "agent"):
        rebuilt = follower.texts.get(message["id"])
        if rebuilt is None:
            continue
        text = "".join(part["text"] for part in parts(message, "text"))
        if rebuilt.connection == rebuilt.finished_on:
            assert rebuilt.text == text
        else:
            # The connection broke before the end, and the message was finished meanwhile.
            assert text.startswith(rebuilt.text)


def check_model_calls(scenario: Scenario, follower: Follower, faults: Sequence[float] = ()) -> None:
    """No stored answer was asked for again, and no step twice without a fault in between.

    Args:
        scenario: What the model was asked.
        follower: What the client read, and when.
        faults: When processes were killed or paused, on the monotonic clock.
    """
    stored_at = [
        seen_at
        for event, seen_at in zip(follower.events, follower.seen_at, strict=True)
        if event["type"] == "message.created" and event["data"]["message"]["role"] == "agent"
    ]
    last_asked: dict[int, float] = {}
    for call in scenario.calls:
        # A call that was sent n answers led to answer n + 1.
        stored = stored_at[call.answers : call.answers + 1]
        assert not stored or call.at < stored[0], f"asked again for a stored answer: {call}"
        before = last_asked.get(call.answers)
        assert before is None or any(
            before - ARRIVES_WITHIN_S <= fault <= call.at for fault in faults
        ), f"asked twice without a fault in between: {_seconds_before(call.at, faults)}, {call}"
        last_asked[call.answers] = call.at


def _seconds_before(moment: float, faults: Sequence[float]) -> str:
    """Return how long before a moment the last faults were."""
    before = [f"{moment - fault:.1f} s" for fault in faults if fault <= moment]
    return f"the last faults were {', '.join(before[-3:])} before"


def check_tools(scenario: Scenario) -> None:
    """What is not repeatable ran once a call at most."""
    runs = Counter(run.reference for run in scenario.executions if run.tool in NOT_REPEATABLE)
    assert all(count == 1 for count in runs.values()), runs


def messages(log: Sequence[Event], role: str) -> list[dict[str, Any]]:
    """Return the messages of a role, in order."""
    created = [event["data"]["message"] for event in log if event["type"] == "message.created"]
    return [message for message in created if message["role"] == role]


def parts(message: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return a message's parts of a kind."""
    return [part for part in message["content"] if part["type"] == kind]
