"""People who come back from a page of consent: the call that waits for them goes on by itself.

Source: docs/contract.md, "Authorizations of MCP servers".
"""

import structlog
from pydantic import SecretStr

from everruns.domain.mcp_authorizations import CONNECTED, QUESTION_ID, AskedBy, FinishedConsent
from everruns.domain.questions import Answer, QuestionAnswers
from everruns.domain.waits import Wait
from everruns.errors import EverrunsError
from everruns.log import error_kind
from everruns.runtime.runtime import Runtime

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def finish_consent(
    runtime: Runtime, state: str, code: SecretStr | None, issuer: str | None, error: str | None
) -> FinishedConsent:
    """Take what a person's browser brings back, and let the call that waits for it go on.

    A consent that has been used before does nothing but let the call go on, in case the process
    that took it was lost before it could do so.

    Args:
        runtime: The product.
        state: Which consent it is.
        code: Is exchanged for tokens, if the person has consented.
        issuer: The authorization server, if it names itself.
        error: Its word for why there is no code.
    """
    finished = await runtime.mcp_authorizations.finish_consent(state, code, issuer, error)
    if finished.asked_by is not None and finished.outcome in {"connected", "declined", "used"}:
        await _answer(runtime, finished.asked_by, is_declined=finished.outcome == "declined")
    return finished


async def _answer(runtime: Runtime, asked_by: AskedBy, *, is_declined: bool) -> None:
    """Answer the question that a call asks, if it still does; the person can answer it, too."""
    try:
        session = await runtime.sessions.get(asked_by.session_id)
        waits = (await runtime.sessions.with_waits(session)).waiting_for
        question_id = next(
            (_question_id(wait) for wait in waits if wait.tool_call_id == asked_by.call_id), None
        )
        if question_id is not None:
            given = QuestionAnswers(
                tool_call_id=asked_by.call_id,
                status="declined" if is_declined else "answered",
                answers=[] if is_declined else [Answer(id=question_id, selected=[CONNECTED])],
            )
            await runtime.sessions.take(asked_by.session_id, given)
    except EverrunsError as error:
        log.info("consent not answered", session_id=asked_by.session_id, error=error_kind(error))


def _question_id(wait: Wait) -> str | None:
    """Return the id of the question of consent that a call waits for; a later round marks it."""
    asked: list[dict[str, str]] = (wait.arguments or {}).get("questions", [])
    ids = [question.get("id", "") for question in asked]
    # The questions of servers have a dot in their ids.
    return next((one for one in ids if one.partition("#")[0] == QUESTION_ID), None)
