"""Records of turns that have ended, for those who report them.

Events are folded in the order of the log. A turn that was on another host, from its beginning or
for a while, is read from the store when it ends.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from everruns.domain.events import TURN_ENDS, Event, EventType
from everruns.domain.sessions import Session
from everruns.errors import EverrunsError
from everruns.log import error_kind
from everruns.storage.logs import EventQuery
from everruns.telemetry.observing import Observed
from everruns.telemetry.turn_records import TurnRecord, extended

# Turns that are folded at a time; those of sessions that have left are the first to go.
MAX_OPEN = 20_000
MAX_OPEN_WITH_CONTENTS = 256
# Turns that wait to be read from the store.
MAX_UNREAD = 1_000
READ_PAGE = 500

Report = Callable[[Session, TurnRecord], None]
"""Reports a turn, or arranges for that: it is called in the event loop and must not wait."""

ReadEvents = Callable[[str, EventQuery], Awaitable[Sequence[Event]]]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True)
class _OpenTurn:
    """The open turn of a session of which this host has seen all events so far.

    Attributes:
        record: What they come to.
        last_sequence: That of the session's newest event here, of the turn or not.
    """

    record: TurnRecord
    last_sequence: int


class EndedTurns:
    """Reports each turn that ends on this host; an ``Observer``.

    Args:
        read_events: Reads events of a log.
        reports: What is done with each record.
        with_contents: Whether records are to hold what is said in the turns.

    Attributes:
        unreported: How many turns have ended without a report: there was no room, or the store
            could not be read.
    """

    def __init__(
        self, read_events: ReadEvents, reports: Sequence[Report], *, with_contents: bool = False
    ) -> None:
        self._read_events = read_events
        self._reports = reports
        self._with_contents = with_contents
        self._max_open = MAX_OPEN_WITH_CONTENTS if with_contents else MAX_OPEN
        self._open: OrderedDict[str, _OpenTurn] = OrderedDict()
        self._unread: deque[tuple[Session, str]] = deque()
        self._wants_reading = asyncio.Event()
        self.unreported = 0

    def appended(self, session: Session, observed: Sequence[Observed]) -> None:
        """Fold events, and report the turns that end with them; see ``Observer``."""
        try:
            for one in observed:
                self._fold(session, one)
        except Exception:  # Neither the turn itself nor those of other sessions may fail with it.
            log.exception("turn not reported", session_id=session.id)
            self._lose(1)

    async def run(self) -> None:
        """Read the turns that began on other hosts, and hand on their records, while it runs."""
        while True:
            await self._wants_reading.wait()
            self._wants_reading.clear()
            await self._read_waiting()

    async def close(self, within_s: float) -> None:
        """Report what waits, as far as that is quickly done, before the process ends.

        Args:
            within_s: Seconds that it may take.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._read_waiting()
        except TimeoutError:
            self._lose(len(self._unread))

    def _fold(self, session: Session, one: Observed) -> None:
        event = one.event
        turn = self._open_turn(event)
        if event.turn_id is None:
            return
        if turn is None and _begins_turn(one):
            record = TurnRecord.begin(event, with_contents=self._with_contents)
            self._open[event.session_id] = turn = _OpenTurn(record, event.sequence)
            if len(self._open) > self._max_open:
                self._open.popitem(last=False)
        if turn is not None:
            turn.record.apply(event, one.data, one.context)
        if event.type not in TURN_ENDS:
            return
        self._open.pop(event.session_id, None)
        if turn is not None:
            self._report(session, turn.record)
        elif len(self._unread) < MAX_UNREAD:
            self._unread.append((session, event.turn_id))
            self._wants_reading.set()
        else:
            self._lose(1)

    def _open_turn(self, event: Event) -> _OpenTurn | None:
        """Return the turn that an event goes on with, if this host has seen all before it."""
        turn = self._open.get(event.session_id)
        if turn is None:
            return None
        if event.sequence != turn.last_sequence + 1:
            # The session has been on another host in the meantime.
            del self._open[event.session_id]
            return None
        turn.last_sequence = event.sequence
        return turn if turn.record.turn_id == event.turn_id else None

    async def _read_waiting(self) -> None:
        while self._unread:
            session, turn_id = self._unread.popleft()
            try:
                self._report(session, await self._read(session, turn_id))
            except EverrunsError as error:
                ids = {"session_id": session.id, "turn_id": turn_id}
                log.warning("turn not read", **ids, error=error_kind(error))
                self._lose(1)
            except Exception:
                log.exception("turn not reported", session_id=session.id, turn_id=turn_id)
                self._lose(1)

    async def _read(self, session: Session, turn_id: str) -> TurnRecord:
        """Return the record of a turn whose beginning this host has not seen.

        Raises:
            EverrunsError: Its events cannot be read.
        """
        after = 0
        record: TurnRecord | None = None
        while record is None or record.outcome == "open":
            query = EventQuery(after=after, turn_id=turn_id, limit=READ_PAGE)
            events = await self._read_events(session.id, query)
            if not events:
                raise EverrunsError("The turn's end is not in the log.")
            record = extended(record, events, with_contents=self._with_contents)
            after = events[-1].sequence
        return record

    def _report(self, session: Session, record: TurnRecord) -> None:
        for report in self._reports:
            report(session, record)

    def _lose(self, turns: int) -> None:
        if turns:
            self.unreported += turns
            log.warning("turns not reported", turns=turns, total=self.unreported)


def _begins_turn(one: Observed) -> bool:
    """Tell whether an event is the first of its turn: its message or, of a retry, its start."""
    if one.event.type != EventType.MESSAGE_CREATED:
        return one.event.type == EventType.SESSION_STARTED
    return one.context.get("input_message_id") == one.data["message"]["id"]
