"""The reconciler: no turn stays open that nobody runs."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from everruns.errors import EverrunsError
from everruns.registry.sessions import Sessions

INTERVAL_S = 3.0

log = structlog.get_logger(__name__)


async def resume_abandoned(
    sessions: Sessions, activate: Callable[[str, str], Awaitable[None]]
) -> int:
    """Place every session whose turn is open and unplaced, and see that its turn goes on.

    Args:
        sessions: The registry's sessions.
        activate: Makes a host, by name, hold a session.

    Returns:
        How many sessions were taken up.
    """
    resumed = 0
    for session_id in await sessions.abandoned():
        try:
            host = await sessions.place(session_id)
            await activate(host, session_id)
            resumed += 1
        except EverrunsError as error:
            log.warning("turn not resumed", session_id=session_id, code=error.code)
        except Exception:  # One session that cannot be loaded must not keep the others waiting.
            log.exception("turn not resumed", session_id=session_id)
    return resumed


async def reconcile(sessions: Sessions, activate: Callable[[str, str], Awaitable[None]]) -> None:
    """Resume abandoned turns every few seconds, for as long as the registry lives."""
    while True:
        try:
            if resumed := await resume_abandoned(sessions, activate):
                log.info("turns resumed", count=resumed)
        except EverrunsError as error:
            log.warning("reconciler could not look", code=error.code)
        await asyncio.sleep(INTERVAL_S)
