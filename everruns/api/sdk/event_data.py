"""The data of each event on the SDK's face, for the OpenAPI document.

Source: docs/sdk.md, "Events"; the OpenAPI document of Everruns, whose names of schemas these are.
"""

from typing import Annotated, Literal

from pydantic import Field

from everruns.domain.base import Model
from everruns.domain.compaction import CompactionReason, CompactionStrategy
from everruns.domain.messages import Message
from everruns.domain.parts import ImagePart, TextPart
from everruns.domain.tools import ToolCall
from everruns.domain.usage import Usage


class InputMessageData(Model):
    """A user's message was stored."""

    message: Message


class TurnStartedData(Model):
    """A turn began."""

    turn_id: str
    input_message_id: str


class ReasonStartedData(Model):
    """The model starts to answer."""

    harness_id: str


class StreamStartedData(Model):
    """A text of an answer begins."""

    turn_id: str


class StreamDeltaData(Model):
    """A piece of a text that is being written."""

    turn_id: str
    delta: str
    accumulated: str = Field(description="The text up to the end of this piece.")


class ReasonThinkingCompletedData(Model):
    """The complete readable thinking of an answer."""

    turn_id: str
    thinking: str


class ReasonCompletedData(Model):
    """The model has answered."""

    success: bool = Field(description="False for an interrupted answer.")
    has_tool_calls: bool
    tool_call_count: int
    usage: Usage | None = None


class ModelMetadata(Model):
    """The model that answered."""

    model: str


class OutputMessageCompletedData(Model):
    """An answer was stored."""

    message: Message
    usage: Usage | None = None
    metadata: ModelMetadata | None = None


class ToolCallSummary(Model):
    """A tool call in short form."""

    id: str
    name: str


class ActStartedData(Model):
    """An answer calls tools."""

    tool_calls: list[ToolCallSummary]


class ToolStartedData(Model):
    """A tool call starts."""

    tool_call: ToolCall


class ToolCallRequestedData(Model):
    """The client is asked to run tools and to send their results."""

    tool_calls: list[ToolCall]
    tool_summaries: list[ToolCallSummary]


class ToolCompletedData(Model):
    """A tool's result: ``result`` or ``error``."""

    tool_call_id: str
    tool_name: str
    success: bool
    status: Literal["success", "error"]
    result: list[Annotated[TextPart | ImagePart, Field(discriminator="type")]] | None = Field(
        None,
        description="The result if it is text, otherwise its JSON, as one part; or its texts and "
        "images.",
    )
    error: str | None = None
    duration_ms: int | None = None


class ContextCompactingData(Model):
    """The conversation is about to be compacted for the model."""

    reason: CompactionReason
    strategy: CompactionStrategy
    messages_before: int


class ContextCompactedData(Model):
    """The conversation that the model is shown was made shorter."""

    strategy_used: CompactionStrategy
    messages_before: int
    messages_after: int
    duration_ms: int


class TurnCompletedData(Model):
    """A turn completed."""

    turn_id: str
    iterations: int
    duration_ms: int
    usage: Usage
    final_message_id: str | None = None


class TurnFailedData(Model):
    """A turn failed; the session accepts messages as before."""

    turn_id: str
    error: str = Field(description="For people: what went wrong and why.")
    error_code: str = Field(description="For programs: a code from the error table, in lower case.")


class TurnCancelledData(Model):
    """A turn was cancelled."""

    turn_id: str
    reason: str | None = None


class SessionIdledData(Model):
    """A turn ended, whatever the outcome."""

    turn_id: str
    iterations: int | None = None
    usage: Usage | None = None
