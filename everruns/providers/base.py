"""The interface of drivers: model requests and their answers.

A driver is stateless and uses its host's connections. It turns one ``ModelRequest`` into a stream:
text and reasoning as they arrive, then exactly one ``ModelAnswer``.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from everruns.domain.controls import AnswerControls
from everruns.domain.llm import OfferedModel
from everruns.domain.messages import Message, ThinkingBlock
from everruns.domain.tools import ToolCall, ToolDefinition
from everruns.domain.usage import Usage
from everruns.providers.model_lists import ListedModel

FINISHED = frozenset({"stop", "tool_calls"})


@dataclass(frozen=True)
class ModelRequest:
    """One call of a model.

    Attributes:
        model: The model, with the catalogue's facts about it.
        system_prompt: Instructions, empty for none.
        messages: A well-formed transcript (see ``everruns.domain.transcript``).
        tools: The tools that the model may call.
        controls: Options for the answer.
        parallel_tool_calls: Whether one answer may contain several calls; ``None`` for the default.
        is_correction: Whether the answer is to correct a structured answer; then there are no
            tools.
        deferred: The tools that the model can search for. In the messages they are called by
            ``call_tool``; a provider that loads found tools is told of them.
        traceparent: What its HTTP request says of the trace that it belongs to, if anything.
    """

    model: OfferedModel
    system_prompt: str
    messages: Sequence[Message]
    tools: Sequence[ToolDefinition] = ()
    controls: AnswerControls = field(default_factory=AnswerControls)
    parallel_tool_calls: bool | None = None
    is_correction: bool = False
    deferred: Sequence[ToolDefinition] = ()
    traceparent: str | None = None

    @property
    def effort(self) -> str | None:
        """How hard to reason (``low``, ``medium``, …), or ``None`` for the default."""
        return self.controls.reasoning.effort if self.controls.reasoning else None

    @property
    def sees_images(self) -> bool:
        """Whether the model can be shown images, as far as is known."""
        profile = self.model.profile
        return profile is None or profile.attachment is not False

    def provider_wrote(self, message: Message) -> bool:
        """Tell whether the provider that is asked wrote a message.

        Reasoning that a provider signed or sealed means nothing to another one. Messages of older
        logs do not name their model; they count as the provider's own.
        """
        return message.model is None or message.model.startswith(f"{self.model.provider_name}/")

    def model_wrote(self, message: Message) -> bool:
        """Tell whether the model that is asked wrote a message, as far as is known."""
        return message.model is None or message.model == self.model.qualified_name


# Deltas are made for every token, and a frozen dataclass takes twice as long to make.


@dataclass(slots=True)
class TextDelta:
    """A piece of the answer, as received. Never empty."""

    text: str


@dataclass(slots=True)
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
        tool_calls: Calls in the model's order.
        refused_calls: The calls that must not run, by id, with the reason that the model is told:
            the arguments are not a JSON object, or the answer was cut off.
        usage: Tokens as the provider counted them; without prices.
        finish_reason: ``stop``, ``tool_calls``, ``length``, ``content_filter`` or the provider's
            own word.
        thinking_blocks: Reasoning in the form that the provider requires back.
        model: The model name that the provider reports.
        without_images: Ids of the messages whose images the provider refused and was asked again
            without.
        without_messages: Ids of the messages that the provider refused, in the same way.
        is_output_wrapped: Whether the provider was asked for an object that holds the value of a
            structured answer.
    """

    tool_calls: Sequence[ToolCall] = ()
    usage: Usage = field(default_factory=Usage)
    finish_reason: str = "stop"
    thinking_blocks: Sequence[ThinkingBlock] = ()
    refused_calls: dict[str, str] = field(default_factory=dict[str, str])
    model: str | None = None
    without_images: Sequence[str] = ()
    without_messages: Sequence[str] = ()
    is_output_wrapped: bool = False

    @property
    def is_finished(self) -> bool:
        """Whether the model finished its answer: one that was cut off may look complete."""
        return self.finish_reason in FINISHED


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

    async def list_models(self) -> Sequence[ListedModel]:
        """Return the chat models that the account has now; empty if it cannot say.

        Raises:
            ModelFailure: The provider could not be asked.
        """
        ...
