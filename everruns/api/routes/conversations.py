"""Routes that export a session's conversation as JSON Lines, and import it as a new session.

Source: docs/contract.md, "Export and import".
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from starlette.responses import StreamingResponse

from everruns.api.http.answers import answer
from everruns.api.http.body import parse_json
from everruns.api.http.input import validate
from everruns.api.http.parameters import SessionId, TheRuntime, runtime_of
from everruns.api.http.reads import Reads
from everruns.api.http.requests import read_key
from everruns.api.http.routes import Routes
from everruns.domain.agents import ModelName
from everruns.domain.base import Name, Tags
from everruns.domain.events import MESSAGE_EVENTS, Event
from everruns.domain.forms import PRINTABLE, id_form
from everruns.domain.imports import MAX_MESSAGES, check_conversation, read_message
from everruns.domain.logged_messages import message_of
from everruns.domain.messages import Message
from everruns.domain.sessions import Session, SessionInput
from everruns.errors import InvalidRequest
from everruns.runtime.runtime import Runtime
from everruns.storage.logs import EventQuery

EXPORTED_AT_ONCE = 50
# Legal in a line of JSON, but many line splitters take them for the end of a line.
OTHER_BREAKS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})
EXAMPLE = (
    '{"role": "user", "content": [{"type": "text", "text": "What is 19 + 23?"}]}\n'
    '{"role": "agent", "content": [{"type": "text", "text": "42."}]}\n'
)
JSON_LINES = "application/jsonl"
LINES: dict[str, Any] = {
    JSON_LINES: {
        "schema": {"type": "string"},
        "examples": {"conversation": {"value": EXAMPLE}},
    },
    # Generators of clients know only this type of such bodies.
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
}

routes = Routes("conversations")


class JsonLines(StreamingResponse):
    """One JSON value per line; as plain text for clients that accept that alone."""

    media_type = JSON_LINES


@routes.add(
    "GET /sessions/{session_id}/export",
    "read",
    response_class=JsonLines,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def export_messages(
    session_id: SessionId, runtime: TheRuntime, request: Request
) -> StreamingResponse:
    """Export a session's messages as JSON Lines: one message per line, oldest first."""
    # The first page is read before the response starts, so that an unknown session is a 404.
    superseded = await runtime.sessions.superseded(session_id)
    logged = EventQuery(types=MESSAGE_EVENTS, without=superseded, limit=EXPORTED_AT_ONCE)
    lines = _lines(runtime, session_id, logged, await _page(runtime, session_id, logged))
    accepted = request.headers.get("accept", "")
    return JsonLines(lines, media_type="text/plain" if accepted == "text/plain" else JSON_LINES)


async def _lines(
    runtime: Runtime, session_id: str, query: EventQuery, events: Sequence[Event]
) -> AsyncIterator[str]:
    while events:
        messages = [message_of(event).model_dump_json(exclude_none=True) for event in events]
        yield "".join(f"{message.translate(OTHER_BREAKS)}\n" for message in messages)
        after = replace(query, after=events[-1].sequence)
        events = await _page(runtime, session_id, after)


async def _page(runtime: Runtime, session_id: str, query: EventQuery) -> Sequence[Event]:
    return await runtime.sessions.events(session_id, query)


async def _imported_session(
    agent_id: Annotated[
        str | None,
        Query(pattern=id_form("agent"), description="Agent of the new session."),
    ] = None,
    agent_name: Annotated[Name | None, Query(description="Agent of the new session.")] = None,
    title: Annotated[Name | None, Query(description="Title of the new session.")] = None,
    model_id: Annotated[ModelName | None, Query(description="Model of the new session.")] = None,
    end_user: Annotated[
        str | None, Query(pattern=PRINTABLE, description="End user of the new session.")
    ] = None,
    tag: Annotated[Tags, Query(description="Tags of the new session.")] = [],  # noqa: B006
) -> SessionInput:
    fields = {
        "agent_id": agent_id,
        "agent_name": agent_name,
        "title": title,
        "model_id": model_id,
        "end_user": end_user,
        "tags": tag,
    }
    return validate(SessionInput, fields, "query")


@routes.add(
    "POST /sessions/import",
    status_code=201,
    response_model=Session,
    reads=Reads(content=LINES, is_keyed=True),
)
async def import_session(
    request: Request, wanted: Annotated[SessionInput, Depends(_imported_session)]
) -> Response:
    """Create a session with the conversation that another session exported."""
    # Reading a long conversation takes a while.
    conversation = await asyncio.to_thread(_read, await request.body())
    create = runtime_of(request).sessions.create
    return answer(await create(wanted, await read_key(request), conversation=conversation))


def _read(body: bytes) -> list[Message]:
    lines = body.removesuffix(b"\n").split(b"\n")
    if len(lines) > MAX_MESSAGES:
        raise InvalidRequest(f"body: holds more than {MAX_MESSAGES} lines")
    messages: list[Message] = []
    for number, line in enumerate(lines, 1):
        try:
            value = parse_json(line)
        except InvalidRequest as error:
            raise InvalidRequest(f"line {number}: {error.message}", error.code) from None
        messages.append(read_message(value, number))
    check_conversation(messages)
    return messages
