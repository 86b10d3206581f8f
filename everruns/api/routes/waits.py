"""What a session waits for, with the arguments of its calls.

Source: docs/contract.md, "Waiting".
"""

from everruns.domain.sessions import Session
from everruns.domain.state import fold
from everruns.domain.waits import ASKING, with_arguments
from everruns.ids import parse_time
from everruns.registry.logs import Logs
from everruns.storage.logs import EventQuery


async def with_waits(session: Session, logs: Logs) -> Session:
    """Return a session that shows the arguments of the calls it waits for.

    Only the events that ask are read, from the first call that is open on.

    Args:
        session: The session as it is stored.
        logs: The registry's logs.
    """
    waits = session.waiting_for
    if not waits and session.status == "waitingfortoolresults":
        # It has waited since before summaries said for what.
        turn = fold(session.id, await logs.events(session.id, EventQuery())).turn
        waits = turn.waiting_for if turn else []
    if not waits:
        return session
    since_ms = min(parse_time(wait.since) for wait in waits)
    asking = EventQuery(types=ASKING, since_ms=since_ms)
    events = await logs.events(session.id, asking)
    return session.model_copy(update={"waiting_for": with_arguments(waits, events)})
