"""Messages as the Everruns SDK reads them.

It knows no part of type ``output`` and refuses messages with one, so the value of a structured
answer, or what is wrong with it, is in the message's metadata.

Source: docs/sdk.md, "Structured answers".
"""

from typing import Annotated, Any

from fastapi import Query

from everruns.api.http.parameters import DEFAULT_LIMIT, Limit, Offset, SessionId, TheRuntime, Truth
from everruns.api.http.routes import Routes
from everruns.api.routes.messages import list_messages
from everruns.domain.base import Page
from everruns.domain.messages import Message

routes = Routes("messages")


@routes.add("GET /sessions/{session_id}/messages", "read", name="list_messages")
async def list_sdk_messages(
    session_id: SessionId,
    runtime: TheRuntime,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
    include_superseded: Annotated[
        Truth,
        Query(description="Whether to include messages that retries took out; they are marked."),
    ] = False,
) -> Page[Message]:
    """List a session's messages, oldest first."""
    page = await list_messages(
        session_id, runtime, offset, limit, include_superseded=include_superseded
    )
    return page.model_copy(update={"data": [_shown(message) for message in page.data]})


def shown_output(message: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON of a message with what came of a structured answer in its metadata."""
    parts = message["content"]
    output = next((part for part in parts if part["type"] == "output"), None)
    if output is None:
        return message
    came = {name: value for name, value in output.items() if name != "type"}
    return {
        **message,
        "content": [part for part in parts if part["type"] != "output"],
        "metadata": {**message.get("metadata", {}), "output": came or {"value": None}},
    }


def _shown(message: Message) -> Message:
    if message.output is None:
        return message
    return Message.model_validate(shown_output(message.wire()))
