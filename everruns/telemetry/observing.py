"""Observing: who learns of events once they are stored.

The agent loop measures nothing but the timing of model calls, which is in the log. Everything else
that is known of turns (metrics, traces, log lines) is derived from their events.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import structlog

from everruns.domain.events import Event, EventType
from everruns.domain.sessions import Session
from everruns.gathering import Gathering

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Observed(NamedTuple):
    """An event that has been stored, with its content as it was before it was encoded.

    Attributes:
        event: The event.
        data: Its payload. It belongs to the event and must not be changed.
        context: What the event belongs to: turn, input message. The same holds.
    """

    event: Event
    data: dict[str, Any]
    context: dict[str, Any]

    @property
    def model_call(self) -> dict[str, Any] | None:
        """The part with ``model``, ``usage`` and ``timing``, if the event tells of a model call.

        An answer that was broken off does not: the end of its turn does.
        """
        match self.event.type:
            case EventType.MESSAGE_CREATED:
                return self.data if "finish_reason" in self.data else None
            case EventType.CONTEXT_COMPACTED:
                return self.data if self.data.get("model") else None
            case _:
                return self.data.get("unfinished")


class Observer(Protocol):
    """Someone who learns of the events that a session host has appended."""

    def appended(self, session: Session, observed: Sequence[Observed]) -> None:
        """Take note of the next events of a session, in the order of its log.

        It is called in the event loop that runs the turns, so it does not wait: after each append,
        or a moment later with others (``GatheredObservers``). A turn that was started by another
        host has earlier events, which are in the store.

        Args:
            session: The session as its client created and changed it.
            observed: The events.
        """
        ...


class GatheredObservers:
    """Tells observers of events a moment later, those of many turns together; an ``Observer``.

    Args:
        observers: They are told one after another.
    """

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers
        self._gathering = Gathering[tuple[Session, Sequence[Observed]]](self._tell)

    def appended(self, session: Session, observed: Sequence[Observed]) -> None:
        """Take note of events; see ``Observer``."""
        self._gathering.add((session, observed))

    def settle(self) -> None:
        """Tell the observers of what has been appended up to now."""
        self._gathering.settle()

    def _tell(self, appended: Sequence[tuple[Session, Sequence[Observed]]]) -> None:
        for observer in self._observers:
            for session, observed in appended:
                try:
                    observer.appended(session, observed)
                except Exception:  # Other sessions and observers must not miss theirs.
                    log.exception("events not observed", session_id=session.id)
