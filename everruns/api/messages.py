"""Routes of messages.

Source: docs/contract.md, "Resources", Message, and "Turns".
"""

from collections.abc import AsyncIterator, Sequence

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from everruns.api.faces import SDK, Face
from everruns.api.parameters import (
    DEFAULT_LIMIT,
    Limit,
    Offset,
    SessionId,
    TheRuntime,
    listing,
    runtime_of,
)
from everruns.api.plain import answer, document, id_of, read_body, read_key
from everruns.domain.base import Page
from everruns.domain.events import Event
from everruns.domain.messages import Message, SendMessage
from everruns.domain.state import message_of
from everruns.registry.sessions import MESSAGE_EVENTS
from everruns.runtime.runtime import Runtime
from everruns.storage.base import EventQuery

EXAMPLE = {"message": {"role": "user", "content": [{"type": "text", "text": "What time is it?"}]}}
SHORTHAND = {"content": "What time is it?"}
EXPORTED_AT_ONCE = 50
# Legal in a line of JSON, but many line splitters take them for the end of a line.
OTHER_BREAKS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})


JSON_LINES = "application/jsonl"
TEXT = {"schema": {"type": "string"}}


class JsonLines(StreamingResponse):
    """One JSON value per line; as plain text for clients that accept that alone."""

    media_type = JSON_LINES


async def list_messages(
    session_id: SessionId,
    runtime: TheRuntime,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Message]:
    """List a session's messages, oldest first."""
    return await runtime.registry.sessions.messages(session_id, offset, limit)


async def send_message(request: Request) -> Response:
    """Send a user message; it starts a turn, or steers the running one."""
    session_id = id_of(request, "session")
    sent = await read_body(request, SendMessage)
    return answer(await runtime_of(request).send(session_id, sent, await read_key(request)))


async def export_messages(
    session_id: SessionId, runtime: TheRuntime, request: Request
) -> StreamingResponse:
    """Export a session's messages as JSON Lines: one message per line, oldest first."""
    # The first page is read before the response starts, so that an unknown session is a 404.
    lines = _lines(runtime, session_id, await _logged(runtime, session_id))
    accepted = request.headers.get("accept", "")
    return JsonLines(lines, media_type="text/plain" if accepted == "text/plain" else JSON_LINES)


async def _lines(runtime: Runtime, session_id: str, events: Sequence[Event]) -> AsyncIterator[str]:
    while events:
        messages = [message_of(event).model_dump_json(exclude_none=True) for event in events]
        yield "".join(f"{message.translate(OTHER_BREAKS)}\n" for message in messages)
        events = await _logged(runtime, session_id, events[-1].sequence)


async def _logged(runtime: Runtime, session_id: str, after: int = 0) -> Sequence[Event]:
    query = EventQuery(types=MESSAGE_EVENTS, after=after, limit=EXPORTED_AT_ONCE)
    return await runtime.registry.sessions.events(session_id, query)


def add_routes(router: APIRouter, face: Face) -> None:
    """Add the routes of messages to a face."""
    path = "/sessions/{session_id}/messages"
    examples = {"message": EXAMPLE, "shorthand": SHORTHAND}
    router.post(
        path,
        status_code=201,
        response_model=Message,
        openapi_extra=document(SendMessage, examples, ids=["session"]),
    )(send_message)
    router.get(path)(listing(face, list_messages))
    if face is SDK:
        router.get(
            "/sessions/{session_id}/export",
            response_class=JsonLines,
            responses={200: {"content": {"text/plain": TEXT}}},
        )(export_messages)
