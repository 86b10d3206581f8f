"""A model that knows what it is sent, and nothing else: it takes so many tokens and no more."""

import re
from collections.abc import AsyncGenerator, Sequence

from everruns.domain.excerpts import plain_text
from everruns.domain.messages import Message
from everruns.domain.token_estimates import json_tokens, text_tokens
from everruns.domain.tools import ToolCall
from everruns.domain.usage import Usage
from everruns.providers.base import ModelAnswer, ModelChunk, ModelRequest, TextDelta
from everruns.providers.failures import failure_of
from everruns.providers.model_lists import ListedModel
from everruns.runtime.summary_request import INSTRUCTIONS

FACT = re.compile(r"My (\w+) is (\w+)\.")
QUESTION = re.compile(r"What is my (\w+)\?")


class RememberingModel:
    """Answers questions about facts that it was told, from what it is sent.

    ``My colour is blue.`` is a fact, ``What is my colour?`` a question. Asked for a summary, it
    writes down the facts. With ``looks_up`` it searches for what it does not find, if it can.

    Attributes:
        context: How many tokens it takes; it refuses longer requests as a provider does.
        requests: What it was sent, with what it took to be too long.
        summaries: How many of them asked for a summary.
    """

    def __init__(self, context: int, *, looks_up: bool = False) -> None:
        self.context = context
        self.requests: list[ModelRequest] = []
        self.summaries = 0
        self._looks_up = looks_up

    @property
    def longest(self) -> int:
        """The tokens of the longest request that it took."""
        return max(size for size in map(tokens_of, self.requests) if size <= self.context)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        self.requests.append(request)
        size = tokens_of(request)
        if size > self.context:
            raise failure_of("tight", f"prompt is too long: {size} tokens > {self.context}", 400)
        calls: list[ToolCall] = []
        if request.system_prompt == INSTRUCTIONS:
            self.summaries += 1
            text = _summary(request.messages[0].text)
        else:
            text = _answer(request.messages)
            if text == "I do not know." and self._looks_up and request.tools:
                wanted = QUESTION.findall(request.messages[-1].text)[0]
                found = {"query": f"my {wanted} is"}
                calls.append(ToolCall(id="call_1", name="search_history", arguments=found))
        yield TextDelta(text)
        usage = Usage(input_tokens=size, output_tokens=text_tokens(text))
        yield ModelAnswer(tool_calls=calls, usage=usage)

    async def list_models(self) -> Sequence[ListedModel]:
        return []


def tokens_of(request: ModelRequest) -> int:
    """How many tokens a request has for this model: one for four characters, as it reads them."""
    said = sum(text_tokens(plain_text(message)) + 6 for message in request.messages)
    tools = sum(json_tokens(tool.wire()) for tool in request.tools)
    return text_tokens(request.system_prompt) + said + tools


def _summary(conversation: str) -> str:
    facts = dict(FACT.findall(conversation))
    return " ".join(f"My {name} is {value}." for name, value in facts.items()) or "Small talk."


def _answer(messages: Sequence[Message]) -> str:
    asked = next(said for said in reversed(messages) if said.role == "user")
    wanted = QUESTION.findall(asked.text)
    if not wanted:
        return "I see."
    facts: dict[str, str] = {}
    for message in messages:
        facts |= dict(FACT.findall(plain_text(message)))
    return facts.get(wanted[-1], "I do not know.")
