"""What a turn asks of a model, and what a driver answers.

A driver is stateless; its connections are its host's. It turns one ``ModelRequest`` into a stream:
text and reasoning as they arrive, then exactly one ``ModelAnswer``.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from everruns.domain.llm import OfferedModel
from everruns.domain.messages import Message, ThinkingBlock
from everruns.domain.tools import ToolCall, ToolDefinition
from everruns.domain.usage import Usage


@dataclass(frozen=True)
class ModelRequest:
    """One call of a model.

    Attributes:
        model: Which one, with what the catalogue knows of it.
        system_prompt: Instructions, empty for none.
        messages: A well-formed transcript (see ``everruns.domain.transcript``).
        tools: What the model may call.
        effort: How hard to reason (``low``, ``medium``, …), or ``None`` for the default.
        parallel_tool_calls: Whether one answer may hold several calls; ``None`` for the default.
    """

    model: OfferedModel
    system_prompt: str
    messages: Sequence[Message]
    tools: Sequence[ToolDefinition] = ()
    effort: str | None = None
    parallel_tool_calls: bool | None = None


@dataclass(frozen=True)
class TextDelta:
    """A stretch of the answer, as it came. Never empty."""

    text: str


@dataclass(frozen=True)
class ReasoningDelta:
    """A stretch of readable reasoning, as it came. Never empty."""

    text: str


@dataclass(frozen=True)
class UsageSoFar:
    """The model has begun to answer, and what its provider has said of tokens until now.

    Counts that it has not said are 0.
    """

    usage: Usage


@dataclass(frozen=True)
class ModelAnswer:
    """The end of a stream: all of the answer that is not text.

    Attributes:
        tool_calls: Complete calls in the model's order. Arguments that were no JSON object stand
            in ``invalid_arguments`` by call id, as they came, and are empty here.
        usage: Tokens as the provider counted them; without prices.
        finish_reason: ``stop``, ``tool_calls``, ``length``, ``content_filter`` or the provider's
            own word.
        thinking_blocks: Reasoning in the form in which the provider wants it back.
        model: The name under which the provider says it answered.
    """

    tool_calls: Sequence[ToolCall] = ()
    usage: Usage = field(default_factory=Usage)
    finish_reason: str = "stop"
    thinking_blocks: Sequence[ThinkingBlock] = ()
    invalid_arguments: dict[str, str] = field(default_factory=dict[str, str])
    model: str | None = None


ModelChunk = TextDelta | ReasoningDelta | UsageSoFar | ModelAnswer


class Driver(Protocol):
    """Speaks one provider's wire with one account."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        """Call the model once.

        Closing the iterator (``aclose``) ends the call and its connection at once.

        Yields:
            Deltas in order, then one ``ModelAnswer`` as the last item. In between, and first of
            all, ``UsageSoFar`` by drivers that know when a model begins.

        Raises:
            ModelFailure: A subclass says why; ``retryable`` whether trying again may help.
        """
        ...

    async def list_models(self) -> Sequence[str]:
        """Return the names of the models that the account offers now; empty if it cannot say.

        Raises:
            ModelFailure: The provider could not be asked.
        """
        ...
