"""The simulated driver: deterministic answers without a model, a key or a network.

For trying things out, for tests and for load. The provider's ``settings`` determine its answers
(see ``SimulatedSettings``).
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from itertools import cycle, islice
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from everruns.domain.base import MIB
from everruns.domain.controls import AnswerControls
from everruns.domain.llm import MAX_TOKENS, ModelLimits, ModelProfile
from everruns.domain.messages import Message, ThinkingBlock, ToolCallPart, ToolResultPart
from everruns.domain.transcript import Note
from everruns.domain.usage import Usage
from everruns.providers.base import (
    ModelAnswer,
    ModelChunk,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
)
from everruns.providers.failures import failure_of
from everruns.providers.model_lists import ListedModel
from everruns.providers.tool_calls import RawCall, read_calls, result_text
from everruns.turn_failures import (
    ContextTooLong,
    ModelFailure,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)

MODEL_ID = "simulated-1"
# Without a pace nothing awaits, so yield to other work after this many words.
WORDS_AT_A_STRETCH = 256

_FAILURES: dict[str, type[ModelFailure]] = {
    kind.code: kind
    for kind in (
        ContextTooLong,
        ProviderRateLimited,
        ProviderRejected,
        ProviderUnauthorized,
        ProviderUnavailable,
    )
}
_FILLER = ("these", "words", "are", "simulated", "and", "mean", "nothing", "at", "all")

_Text = Annotated[str, Field(max_length=MIB)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SimulatedFailure(_Strict):
    """A call that fails.

    ``times`` counts the failing calls of one open driver; without it, all fail.
    """

    code: Literal[
        "CONTEXT_TOO_LONG",
        "PROVIDER_RATE_LIMITED",
        "PROVIDER_REJECTED",
        "PROVIDER_UNAUTHORIZED",
        "PROVIDER_UNAVAILABLE",
    ]
    after_tokens: Annotated[int, Field(ge=0)] = 0
    times: Annotated[int, Field(ge=1)] | None = None
    retry_after_s: Annotated[float, Field(ge=0, le=3600)] | None = None


class SimulatedCall(_Strict):
    """A tool call to make."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    arguments: dict[str, Any] = Field(default_factory=dict)


class SimulatedStep(_Strict):
    """One answer of a script. Without ``text`` and ``tool_calls`` it echoes."""

    text: _Text | None = None
    reasoning: _Text | None = None
    tool_calls: Annotated[list[SimulatedCall], Field(max_length=128)] = Field(
        default_factory=list[SimulatedCall]
    )
    fail: SimulatedFailure | None = None


class SimulatedSettings(_Strict):
    """The answers of the simulated provider.

    Attributes:
        reply: The answer; without it, a sentence that repeats what the user said.
        tokens: Instead, an answer of so many words.
        reasoning: Readable reasoning that comes before the answer.
        first_token_ms: Milliseconds before the first word.
        tokens_per_s: Words a second; without it, all at once.
        fail: How calls fail.
        context_tokens: How many tokens its model takes; a word is one. Longer requests are refused.
        script: Instead, one entry for each model call of a turn. Which one is decided by how many
            answers the agent has given since the message that began the turn (messages that came
            while tools ran do not count as such). After the last entry, the last repeats.
    """

    reply: _Text | None = None
    tokens: Annotated[int, Field(ge=1, le=200_000)] | None = None
    reasoning: _Text | None = None
    first_token_ms: Annotated[float, Field(ge=0, le=600_000)] = 0
    tokens_per_s: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    fail: SimulatedFailure | None = None
    context_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    script: Annotated[list[SimulatedStep], Field(min_length=1, max_length=1000)] | None = None

    @model_validator(mode="after")
    def _one_answer(self) -> "SimulatedSettings":
        if sum(value is not None for value in (self.reply, self.tokens, self.script)) > 1:
            raise ValueError("only one of reply, tokens and script can be given")
        return self


class SimulatedDriver:
    """Answers according to its settings, without a model.

    Args:
        name: The provider's name, for messages.
        settings: What it says.
    """

    def __init__(self, name: str, settings: SimulatedSettings) -> None:
        self._name = name
        self._settings = settings
        self._failed = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        """Answer once. See ``Driver``."""
        input_tokens = _input_tokens(request)
        self._check_length(input_tokens)
        step, finish_reason = _bounded(self._step(request.messages), request.controls)
        failure = self._failure(step)
        chunks = [
            *(ReasoningDelta(word) for word in _words(step.reasoning or "")),
            *(TextDelta(word) for word in _words(step.text or "")),
        ]
        shown = len(chunks) if failure is None else min(failure.after_tokens, len(chunks))
        start = asyncio.get_running_loop().time()
        if self._settings.first_token_ms:
            await asyncio.sleep(self._settings.first_token_ms / 1000)
        for index, chunk in enumerate(chunks[:shown]):
            if (wait_s := self._wait_s(start, index)) is not None:
                await asyncio.sleep(wait_s)
            yield chunk
        if failure is not None:
            raise _FAILURES[failure.code](
                f"Provider {self._name} is simulated and set to fail. Change its settings.",
                None,
                failure.retry_after_s,
            )
        usage = Usage(input_tokens=input_tokens, output_tokens=len(chunks))
        yield _answer(step, request, usage, finish_reason)

    async def list_models(self) -> Sequence[ListedModel]:
        """Return the one simulated model. See ``Driver``."""
        context = self._settings.context_tokens
        limits = ModelLimits(context=context) if context else None
        return [ListedModel(MODEL_ID, ModelProfile(name=MODEL_ID, limits=limits))]

    def _check_length(self, input_tokens: int) -> None:
        """Refuse a request as too long, in the words of a provider."""
        context = self._settings.context_tokens
        if context is not None and input_tokens > context:
            error = {
                "code": "context_length_exceeded",
                "message": f"This model's maximum context length is {context} tokens. However, "
                f"your messages resulted in {input_tokens} tokens.",
            }
            raise failure_of(self._name, {"error": error}, 400)

    def _step(self, transcript: Sequence[Message]) -> SimulatedStep:
        settings = self._settings
        if settings.script is None:
            if settings.tokens is not None:
                text = " ".join(islice(cycle(_FILLER), settings.tokens))
            else:
                text = _echo(transcript) if settings.reply is None else settings.reply
            return SimulatedStep(text=text, reasoning=settings.reasoning)
        step = settings.script[min(answers_in_turn(transcript), len(settings.script) - 1)]
        if step.text is None and not step.tool_calls:
            return step.model_copy(update={"text": _echo(transcript)})
        return step

    def _failure(self, step: SimulatedStep) -> SimulatedFailure | None:
        failure = step.fail or self._settings.fail
        if failure is None or (failure.times is not None and self._failed >= failure.times):
            return None
        self._failed += 1
        return failure

    def _wait_s(self, start: float, index: int) -> float | None:
        """Return how long to wait before a word, on a fixed schedule that delays do not shift."""
        if self._settings.tokens_per_s is None:
            return 0 if index % WORDS_AT_A_STRETCH == WORDS_AT_A_STRETCH - 1 else None
        due = start + self._settings.first_token_ms / 1000 + index / self._settings.tokens_per_s
        wait_s = due - asyncio.get_running_loop().time()
        return wait_s if wait_s > 0 else None


def answers_in_turn(transcript: Sequence[Message]) -> int:
    """Count the agent's answers since the user message that began the turn."""
    answers = 0
    previous: Message | None = None
    for message in transcript:
        is_steering = previous is not None and previous.role == "tool_result"
        if message.role == "agent":
            answers += 1
        elif message.role == "user" and not (is_steering or isinstance(message, Note)):
            answers = 0
        previous = message
    return answers


def _echo(transcript: Sequence[Message]) -> str:
    said = next((message.text for message in reversed(transcript) if message.role == "user"), "")
    return f"This is a simulated answer, no model was asked. You said: {said}"


def _bounded(step: SimulatedStep, controls: AnswerControls) -> tuple[SimulatedStep, str | None]:
    """Return what a model says that keeps to its options, and why it was cut, if it was.

    A word counts as a token. Calls come last, so an answer that was cut has none.
    """
    text = step.text or ""
    stops = [at for stop in controls.stop or () if (at := text.find(stop)) >= 0]
    if not stops and controls.max_output_tokens is None:
        return step, None
    thoughts = list(_words(step.reasoning or ""))
    words = list(_words(text[: min(stops, default=None)]))
    limit = controls.max_output_tokens or len(thoughts) + len(words)
    is_long = len(thoughts) + len(words) > limit
    if not stops and not is_long:
        return step, None
    said: dict[str, Any] = {
        "reasoning": "".join(thoughts[:limit]) or None,
        "text": "".join(words[: max(limit - len(thoughts), 0)]),
        "tool_calls": [],
    }
    return step.model_copy(update=said), "length" if is_long else "stop"


def _words(text: str) -> Iterator[str]:
    """Split into words that keep the blanks after them, so that joined they are the text."""
    start = 0
    for index in range(1, len(text)):
        if not text[index].isspace() and text[index - 1].isspace():
            yield text[start:index]
            start = index
    if text:
        yield text[start:]


def _input_tokens(request: ModelRequest) -> int:
    """Count the words of a request, with those of results."""
    results = (
        result_text(part)
        for message in request.messages
        for part in message.content
        if isinstance(part, ToolResultPart)
    )
    said = [request.system_prompt, *(message.text for message in request.messages), *results]
    return sum(len(text.split()) for text in said)


def _answer(
    step: SimulatedStep, request: ModelRequest, usage: Usage, finish_reason: str | None
) -> ModelAnswer:
    made = sum(
        isinstance(part, ToolCallPart) for message in request.messages for part in message.content
    )
    raw = [
        RawCall(f"call_{number}", call.name, orjson.dumps(call.arguments).decode())
        for number, call in enumerate(step.tool_calls, made + 1)
    ]
    calls, refused = read_calls(raw, request.messages)
    return ModelAnswer(
        tool_calls=calls,
        usage=usage,
        finish_reason=finish_reason or ("tool_calls" if calls else "stop"),
        thinking_blocks=[ThinkingBlock(thinking=step.reasoning)] if step.reasoning else [],
        refused_calls=refused,
        model=MODEL_ID,
    )
