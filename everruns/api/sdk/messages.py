"""Messages as the Everruns SDK reads them.

The SDK refuses messages with parts of types that it does not know. So a file is shown as its name
and text, and the parts of a tool's result as its JSON. The value of a structured answer, or what is
wrong with it, is in the message's metadata.

Source: docs/sdk.md, "Structured answers".
"""

from typing import Any

from fastapi import Request, Response

from everruns.api.http.answers import answer
from everruns.api.http.parameters import DEFAULT_LIMIT, Limit, Offset, SessionId, TheRuntime
from everruns.api.http.routes import Routes
from everruns.api.routes.messages import SENDS, IncludeSuperseded, list_messages, sent_message
from everruns.domain.base import Page
from everruns.domain.messages import Message

routes = Routes("messages")


@routes.add(
    "POST /sessions/{session_id}/messages",
    "send",
    name="send_message",
    status_code=201,
    response_model=Message,
    reads=SENDS,
)
async def send_sdk_message(request: Request) -> Response:
    """Send a user message; it starts a turn, or steers the running one."""
    return answer(_shown(await sent_message(request)))


@routes.add("GET /sessions/{session_id}/messages", "read", name="list_messages")
async def list_sdk_messages(
    session_id: SessionId,
    runtime: TheRuntime,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
    include_superseded: IncludeSuperseded = False,
) -> Page[Message]:
    """List a session's messages, oldest first."""
    page = await list_messages(
        session_id, runtime, offset, limit, include_superseded=include_superseded
    )
    return page.model_copy(update={"data": [_shown(message) for message in page.data]})


def sdk_message(message: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON of a message as the SDK reads it.

    Args:
        message: The JSON of a message, as the log has it.
    """
    parts: list[dict[str, Any]] = message["content"]
    shown = {
        **message,
        "content": [_sdk_part(part) for part in parts if part["type"] != "output"],
    }
    output = next((part for part in parts if part["type"] == "output"), None)
    if output is not None:
        came = {name: value for name, value in output.items() if name != "type"}
        shown["metadata"] = {**message.get("metadata", {}), "output": came or {"value": None}}
    return shown


def _sdk_part(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] == "file":
        return {"type": "text", "text": f"[{part['filename']}]\n{part['text']}"}
    if part["type"] == "tool_result" and part.get("parts") is not None:
        others = {name: value for name, value in part.items() if name != "parts"}
        return {**others, "result": part["parts"]}
    return part


def _shown(message: Message) -> Message:
    return Message.model_validate(sdk_message(message.wire()))
