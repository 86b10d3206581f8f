"""Routes of messages.

Source: docs/contract.md, "Resources", Message, and "Turns".
"""

from typing import Annotated

from fastapi import Query, Request, Response

from everruns.api.http.access import check_controls, check_files
from everruns.api.http.answers import answer
from everruns.api.http.parameters import (
    DEFAULT_LIMIT,
    Limit,
    Offset,
    SessionId,
    TheRuntime,
    Truth,
    runtime_of,
)
from everruns.api.http.reads import TRACEPARENT_PARAMETER, Reads
from everruns.api.http.requests import id_of, read_body, read_key, read_traceparent
from everruns.api.http.routes import Routes
from everruns.domain.base import Page
from everruns.domain.messages import Message, SendMessage

MESSAGE = {"message": {"role": "user", "content": [{"type": "text", "text": "What time is it?"}]}}
SHORTHAND = {"content": "What time is it?"}

SENDS = Reads(
    SendMessage,
    {"message": MESSAGE, "shorthand": SHORTHAND},
    ids=["session"],
    parameters=[TRACEPARENT_PARAMETER],
    is_keyed=True,
)

IncludeSuperseded = Annotated[
    Truth, Query(description="Whether to include messages that retries took out; they are marked.")
]

routes = Routes("messages")


@routes.add(
    "POST /sessions/{session_id}/messages",
    "send",
    status_code=201,
    response_model=Message,
    reads=SENDS,
)
async def send_message(request: Request) -> Response:
    """Send a user message; it starts a turn, or steers the running one."""
    return answer(await sent_message(request))


async def sent_message(request: Request) -> Message:
    """Send the message of a request, and return it as the log has it."""
    session_id = id_of(request, "session")
    sent = await read_body(request, SendMessage)
    check_controls(request, sent.controls)
    await check_files(request, session_id, sent.message)
    return await runtime_of(request).sessions.send(
        session_id, sent, await read_key(request), read_traceparent(request)
    )


@routes.add("GET /sessions/{session_id}/messages", "read")
async def list_messages(
    session_id: SessionId,
    runtime: TheRuntime,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
    include_superseded: IncludeSuperseded = False,
) -> Page[Message]:
    """List a session's messages, oldest first."""
    return await runtime.sessions.messages(
        session_id, offset, limit, include_superseded=include_superseded
    )
