"""What the SDK's face shows of events, and drafts for it to show."""

from collections.abc import Iterable
from typing import Any

import orjson

from everruns.api.http.vocabulary import ShownEvent
from everruns.api.sdk.events import EVERRUNS
from everruns.domain.events import Delta, Event, EventType, Passing
from everruns.ids import new_id, read_event_id
from tests.logs import SESSION_ID, LogWriter

LATER = 2_000_000_000_000  # After every id that a test makes.


def show(items: Iterable[Event | Passing], after: str | None = None) -> list[ShownEvent]:
    """What a reader is shown that has seen an event last."""
    seen = read_event_id(SESSION_ID, after) if after else None
    shown, _ = EVERRUNS.begin(SESSION_ID, seen).show(items)
    return shown


def decoded(shown: ShownEvent) -> dict[str, Any]:
    return orjson.loads(shown.body)


def told(shown: Iterable[ShownEvent]) -> list[tuple[str, dict[str, Any]]]:
    return [(event.type, decoded(event)["data"]) for event in shown]


def message_id(ms: int) -> str:
    """The id of a message that was begun at a time; no two are the same."""
    return f"message_{ms:012x}{new_id('message')[-20:]}"


def writer() -> LogWriter:
    log = LogWriter(now=LATER)
    log.user("hi")
    return log


def delta(
    text: str,
    offset: int = 0,
    kind: EventType = EventType.MESSAGE_DELTA,
    message_id: str = "message_" + "0" * 32,
    ms: int = LATER,
) -> Delta:
    return Delta(kind, message_id, offset, text, 1 + offset, 7, "turn_x", ms)


def thought(text: str, offset: int = 0, **more: Any) -> Delta:
    return delta(text, offset, EventType.REASONING_DELTA, **more)
