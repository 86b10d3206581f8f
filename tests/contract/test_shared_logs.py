"""The server still makes of the shared logs what their files say.

The console's tests hold its own fold against the same files.
"""

import re
from typing import Any

import pytest

from everruns.api.v1.event_types import EventList
from tests.shared_logs import FOLDER, RANDOM, event_of, messages_of, read, steps_of

NAMES = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != RANDOM)


@pytest.fixture(params=NAMES)
def recorded(request: pytest.FixtureRequest) -> Any:
    return read(request.param)


def test_the_fold_says_after_every_event_what_it_said(recorded: Any):
    events = [event_of(envelope) for envelope in recorded["events"]]
    steps = steps_of(events)
    assert steps == recorded["steps"]
    ended = {name: recorded[name] for name in ("status", "waiting_for", "usage")}
    assert {**steps[-1], **ended} == steps[-1]


async def test_the_messages_are_those_that_the_api_listed(recorded: Any):
    events = [event_of(envelope) for envelope in recorded["events"]]
    assert await messages_of(events, include_superseded=False) == recorded["messages"]
    assert await messages_of(events, include_superseded=True) == recorded["all_messages"]


def test_the_events_are_as_the_document_describes_them(recorded: Any):
    EventList.model_validate({"data": recorded["events"]})


def test_logs_that_were_made_at_random_are_folded_as_they_were():
    cases = read(RANDOM)
    assert len(cases) > 10
    for case in cases:
        assert steps_of([event_of(envelope) for envelope in case["events"]]) == case["steps"]


def test_nothing_in_the_files_is_of_the_machine_that_recorded_them():
    for path in FOLDER.glob("*.json"):
        assert not re.search(r"/(home|root|tmp|work)/|localhost|127\.0\.0\.1", path.read_text())
