"""The interface of drivers: model requests and their answers.

A driver is stateless and uses its host's connections. It turns one ``ModelRequest`` into a stream:
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
        model: The model, with the catalogue's facts about it.
        system_prompt: Instructions, empty for none.
        messages: A well-formed transcript (see ``everruns.domain.transcript``).
        tools: The tools that the model may call.
        effort: How hard to reason (``low``, ``medium``, …), or ``None`` for the default.
        parallel_tool_calls: Whether one answer may contain several calls; ``None`` for the default.
    """

    model: OfferedModel
    system_prompt: str
    messages: Sequence[Message]
    tools: Sequence[ToolDefinition] = ()
    effort: str | None = None
    parallel_tool_calls: bool | None = None


@dataclass(frozen=True)
class TextDelta:
    """A piece of the answer, as received. Never empty."""

    text: str


@dataclass(frozen=True)
class ReasoningDelta:
    """A piece of readable reasoning, as received. Never empty."""

    text: str


@dataclass(frozen=True)
class UsageSoFar:
    """The model has started to answer, with its provider's token counts so far.

    Unreported counts are 0.
    """

    usage: Usage


@dataclass(frozen=True)
class ModelAnswer:
    """The end of a stream: everything of the answer except its text.

    Attributes:
        tool_calls: Complete calls in the model's order. Arguments that were not a JSON object are
            in ``invalid_arguments`` by call id, as received, and empty here.
        usage: Tokens as the provider counted them; without prices.
        finish_reason: ``stop``, ``tool_calls``, ``length``, ``content_filter`` or the provider's
            own word.
        thinking_blocks: Reasoning in the form that the provider requires back.
        model: The model name that the provider reports.
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
            ModelFailure: A subclass says why; ``retryable`` whether a retry may help.
        """
        ...

    async def list_models(self) -> Sequence[str]:
        """Return the names of the models that the account offers now; empty if it cannot say.

        Raises:
            ModelFailure: The provider could not be asked.
        """
        ...
