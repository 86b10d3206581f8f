"""Sessions with a turn in their log, stored as hosts store them."""

from contextlib import suppress

from everruns.domain.sessions import Session, SessionInput
from everruns.errors import SessionNotFound
from everruns.registry.registry import Registry
from everruns.storage.logs import FIRST_HOLDER, Verdict
from tests.logs import LogWriter, call_part


async def talked(registry: Registry, *, ends: bool = True) -> tuple[Session, LogWriter]:
    """A session with one turn in its log."""
    session = await registry.sessions.create(SessionInput())
    log = LogWriter(session.id)
    log.user("hi")
    log.agent("let me see", [call_part("a")])
    log.tool_call("a")
    log.tool_result("a")
    if ends:
        log.agent("hello")
        log.end()
    assert await stored(registry, log, "h0") is None
    return session, log


async def stored(registry: Registry, log: LogWriter, host: str) -> Verdict:
    """The verdict on a log that a host loads a session for, stores and lets go."""
    holder = FIRST_HOLDER
    with suppress(SessionNotFound):
        holder = (await registry.hosting.load(log.session_id, host)).holder
    (verdict,) = (await registry.logs.append([log.as_append(holder)])).verdicts
    await registry.hosting.release(log.session_id, host)
    return verdict
