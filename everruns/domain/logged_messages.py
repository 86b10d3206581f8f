"""The messages that events of the log add to the conversation."""

from typing import Any

from everruns.domain.events import Event, EventType
from everruns.domain.messages import Message, ToolResultPart


def message_of(event: Event, envelope: dict[str, Any] | None = None) -> Message:
    """Return the message that an event adds to the conversation.

    Args:
        event: A ``message.created`` or ``tool.result``.
        envelope: Its envelope, if the caller has already decoded it.
    """
    envelope = envelope or event.envelope
    data = envelope["data"]
    if event.type == EventType.MESSAGE_CREATED:
        return Message.model_validate(data["message"])
    part = ToolResultPart(
        tool_call_id=data["tool_call_id"],
        result=data.get("result"),
        error=data.get("error"),
        parts=data.get("parts"),
    )
    return Message(
        id=event.id.replace("event_", "message_"),
        session_id=event.session_id,
        role="tool_result",
        content=[part],
        sequence=event.sequence,
        created_at=envelope["ts"],
    )
