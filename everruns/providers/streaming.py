"""Streaming one answer: the rules that hold on every wire.

A driver words the request and brings an ``Answer``, which reads events one by one. What can go
wrong around the events is handled here: a refused request, bytes that are not text, and ends that
come early, late or never.
"""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import quote

import orjson

from everruns.providers.base import (
    ModelAnswer,
    ModelChunk,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    UsageSoFar,
)
from everruns.providers.concessions import Attempt, Learned, concede, first_attempt, leave_out_field
from everruns.providers.http import Wire
from everruns.providers.image_limits import ImageLimits
from everruns.providers.model_lists import ListedModel, read_model_list
from everruns.providers.output_rules import OutputRules
from everruns.providers.output_schemas import needs_wrapper
from everruns.providers.scaled_images import with_scaled_images
from everruns.turn_failures import ModelFailure

# Token counts may follow the end of an answer. A server that sends heartbeats for ever instead
# must not keep the turn open.
END_PATIENCE_S = 2.0
# What follows the last event is the end of the body; reading it lets the connection be reused.
DRAIN_TIMEOUT_S = 0.1

DONE = "[DONE]"

Delta = TextDelta | ReasoningDelta | UsageSoFar


class Answer(Protocol):
    """The received part of an answer.

    Attributes:
        ended: The model has finished, by its own word.
        closed: Nothing more is to come.
    """

    ended: bool
    closed: bool

    def read(self, event: dict[str, Any]) -> Sequence[Delta]:
        """Read an event, or a whole answer in place of its events.

        Raises:
            ModelFailure: The event is an error.
            AttributeError, KeyError, OverflowError, TypeError, ValueError: It makes no sense.
        """
        ...

    def close(self) -> None:
        """Note that the server says that nothing more is to come."""
        ...

    def end(self) -> ModelAnswer:
        """Return what the answer consists of besides its text.

        Raises:
            ModelFailure: It broke off.
        """
        ...


class StreamingDriver(ABC):
    """The common part of the drivers. It keeps nothing but what its models refuse.

    Args:
        wire: The address and the key.
        omitted: Fields to leave out of each request, as paths: ``a.b``.
        extra_body: Fields to add to each request.

    Attributes:
        path: Path of model calls; ``{model}`` stands for the model's name.
        models_path: Path of the list of models.
        output_rules: Which schemas of structured answers it enforces; ``None`` for none.
        image_limits: The images that its provider takes.
    """

    path: str
    output_rules: OutputRules | None
    image_limits: ImageLimits
    models_path = "/models"

    def __init__(
        self,
        wire: Wire,
        omitted: Collection[str] = (),
        extra_body: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._wire = wire
        self._assumed = Learned(omitted=frozenset(omitted))
        self._learned: dict[str, Learned] = {}
        self._extra_body = extra_body

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        """Call the model once. See ``Driver``."""
        request = await with_scaled_images(request, self.image_limits)
        model_id = request.model.model_id
        if not self._loads_found_tools(request):
            request = replace(request, deferred=())
        path = self.path.format(model=quote(model_id, safe=""))
        learned = self._learned.get(model_id, self._assumed)
        attempt = first_attempt(request, learned, self.output_rules)
        while True:
            body = {**self._extra_body, **self._body(attempt)}
            for path in attempt.learned.omitted:
                leave_out_field(body, path)
            answer = self._answer(request)
            is_shown = False
            pace = self._wire.connections.pace.answer()
            try:
                sent = self._wire.post(path, body, pace, request.traceparent)
                async with aclosing(sent) as payloads:
                    async for payload in payloads:
                        deltas = self._read(answer, payload)
                        if not is_shown and _is_shown(deltas):
                            is_shown = True
                            pace.begin()
                        for delta in deltas:
                            yield delta
                        if answer.ended or answer.closed:
                            break
                    pace.end()
                    async for delta in self._rest(answer, payloads):
                        yield delta
                break
            except ModelFailure as refusal:
                less = None if is_shown else concede(attempt, body, refusal, self._body)
                if less is None:
                    raise
                attempt = less
            finally:
                pace.end()
        if attempt.learned != self._assumed:
            self._learned[model_id] = attempt.learned
        end = answer.end()
        enforced = attempt.request.controls.output_schema
        yield replace(
            end,
            is_output_wrapped=enforced is not None and needs_wrapper(enforced),
            without_images=attempt.without_images,
            without_messages=attempt.without_messages,
        )

    async def list_models(self) -> Sequence[ListedModel]:
        """Return the chat models that the account has. See ``Driver``."""
        return read_model_list(await self._wire.get(self.models_path))

    def _loads_found_tools(self, request: ModelRequest) -> bool:  # noqa: ARG002 - for drivers that do
        """Tell whether the provider loads the tools that searches in a request have found."""
        return False

    @abstractmethod
    def _body(self, attempt: Attempt) -> dict[str, Any]:
        """Return the body of a request."""

    @abstractmethod
    def _answer(self, request: ModelRequest) -> Answer:
        """Return a new, empty answer to a request."""

    def _read(self, answer: Answer, payload: bytes) -> Sequence[Delta]:
        try:
            try:
                event: dict[str, Any] | list[Any] | str | None = orjson.loads(payload)
            except orjson.JSONDecodeError:
                event = _decoded_leniently(payload)
            if isinstance(event, dict):
                return answer.read(event)
            if event == DONE:
                answer.close()
            # Some servers send a list of events or errors; heartbeats may be any other value.
            events = event if isinstance(event, list) else []
            return [delta for item in events if item for delta in answer.read(item)]
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            raise self._wire.malformed() from None

    async def _rest(
        self, answer: Answer, payloads: AsyncIterator[bytes]
    ) -> AsyncGenerator[Delta, None]:
        """Read what follows the end of an answer.

        That is not worth failing for, nor waiting long, unless it is more of the answer: some
        servers say with each piece that it is the last.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + (DRAIN_TIMEOUT_S if answer.closed else END_PATIENCE_S)
        while True:
            deltas: Sequence[Delta] = ()
            try:
                async with asyncio.timeout_at(until):
                    payload = await anext(payloads)
                if not answer.closed:
                    deltas = self._read(answer, payload)
            except (TimeoutError, ModelFailure, StopAsyncIteration):
                return
            for delta in deltas:
                yield delta
            if answer.closed:
                until = min(until, clock() + DRAIN_TIMEOUT_S)
            elif _is_shown(deltas):
                until = clock() + END_PATIENCE_S


def _is_shown(deltas: Sequence[Delta]) -> bool:
    """Tell whether anything of the answer is among the deltas."""
    return any(not isinstance(delta, UsageSoFar) for delta in deltas)


def _decoded_leniently(payload: bytes) -> Any:
    """Decode a payload that is not quite JSON; return its text if it is not meant to be JSON.

    Known servers cut characters in half, repeat the ``data:`` of their event stream, and send
    ``NaN`` or bare words. Words after ``error:`` are an error.

    Raises:
        ValueError: It is broken JSON.
    """
    text = payload.decode(errors="replace").strip()
    while text.startswith("data:"):
        text = text[5:].lstrip()
    if text.startswith("error:"):
        return {"error": text[6:].strip()}
    if text == DONE or not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text, strict=False)
    except RecursionError:
        raise ValueError from None
