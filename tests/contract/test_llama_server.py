"""The driver of Chat Completions against a real server: llama.cpp, from the extra ``local``."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from actors.local_model import ANSWER_TOKENS, CONTEXT_TOKENS, local_model_installed
from everruns.domain.controls import AnswerControls
from everruns.domain.llm import OfferedModel, Provider, ProviderAccount
from everruns.domain.messages import (
    Message,
    TextPart,
    ThinkingBlock,
    ToolCallPart,
    ToolResultPart,
)
from everruns.domain.output_schemas import find_violation_quickly
from everruns.domain.structured_output import read_value, readings
from everruns.domain.tools import ToolDefinition
from everruns.providers.base import Driver, ModelAnswer, ModelRequest, TextDelta
from everruns.providers.catalogue import profile_of
from everruns.providers.connections import Connections
from everruns.providers.registry import open_driver
from everruns.turn_failures import ContextTooLong
from tests.odd_images import image, png

pytestmark = pytest.mark.skipif(
    not local_model_installed(), reason="the extra `local` is not installed"
)

NOW = "2026-11-01T00:00:00.000Z"
MODEL = "smollm2-135m-instruct"
SHORT_ANSWER_TOKENS = 24
SERVER = f"""
import sys
from actors import local_model
local_model.ANSWER_TOKENS = {SHORT_ANSWER_TOKENS}
running = local_model.LocalModelActor()
print(*running.address(), flush=True)
sys.stdin.read()
"""
MULTIPLY = ToolDefinition(
    name="multiply",
    description="Multiply two numbers.",
    parameters={"type": "object", "properties": {"a": {"type": "number"}}},
)

BRIEF = AnswerControls(max_output_tokens=16, temperature=0, seed=7)


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, str]]:
    """The address and key of a server in a process of its own, which has no other way to end it."""
    command = [sys.executable, "-c", SERVER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        base_url, api_key = next(line.split() for line in lines if line.startswith("http"))
        yield base_url, api_key
        process.kill()


@pytest.fixture
async def driver(address: tuple[str, str]) -> AsyncIterator[Driver]:
    connections = Connections()
    base_url, api_key = address
    provider = Provider(
        id="provider_1",
        name="real",
        provider_type="local",
        base_url=base_url,
        created_at=NOW,
        updated_at=NOW,
    )
    account = ProviderAccount(provider=provider, api_key=SecretStr(api_key))
    yield open_driver(account, connections, silence_s=60)
    await connections.close()


def message(role: str, *content: Any, **fields: Any) -> Message:
    parts = [TextPart(text=part) if isinstance(part, str) else part for part in content]
    return Message(
        id=f"message_{role}_{len(parts)}",
        session_id="session_1",
        role=role,
        content=parts,
        created_at=NOW,
        **fields,
    )


def request(*messages: Message, **fields: Any) -> ModelRequest:
    model = OfferedModel(
        id="model_1",
        provider_id="provider_1",
        provider_name="real",
        provider_type="local",
        model_id=MODEL,
        display_name="SmolLM2",
        created_at=NOW,
        updated_at=NOW,
    )
    return ModelRequest(model, "", messages, **{"controls": BRIEF, **fields})


async def answer(driver: Driver, asked: ModelRequest) -> tuple[str, ModelAnswer]:
    chunks = [chunk async for chunk in driver.stream(asked)]
    assert isinstance(chunks[-1], ModelAnswer)
    text = "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))
    return text, chunks[-1]


async def test_it_answers_and_counts(driver: Driver):
    text, end = await answer(driver, request(message("user", "Say hello.")))

    assert text
    assert end.finish_reason in {"stop", "length"}
    assert end.usage.input_tokens > 0
    assert 0 < end.usage.output_tokens <= 16


async def test_an_answer_of_no_given_length_ends_all_the_same(driver: Driver):
    endless = message("user", "Count from 1 to 10000: 1, 2, 3,")

    _, end = await answer(driver, request(endless, controls=AnswerControls(temperature=0)))

    assert end.finish_reason == "length"
    assert end.usage.output_tokens == SHORT_ANSWER_TOKENS


def test_the_catalogue_knows_its_limits():
    profile = profile_of("local", MODEL)

    assert profile
    assert profile.limits
    assert profile.limits.context == CONTEXT_TOKENS
    assert profile.limits.output == ANSWER_TOKENS


async def test_it_ends_before_a_stop_sequence(driver: Driver):
    controls = AnswerControls(max_output_tokens=40, temperature=0, stop=["e"])

    text, end = await answer(driver, request(message("user", "Say hello."), controls=controls))

    assert "e" not in text
    assert end.finish_reason == "stop"


@pytest.mark.parametrize(
    "schema",
    [
        {
            "type": "object",
            "properties": {
                "city": {"type": "string", "pattern": "^[A-Z][a-z]{1,8}$"},
                "is_capital": {"type": "boolean"},
                "size": {"enum": ["small", "large", None]},
            },
            "required": ["city", "size"],
        },
        {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "maxItems": 3},
        {"$ref": "#/$defs/Word", "$defs": {"Word": {"enum": ["yes", "no"]}}},
    ],
)
async def test_it_writes_what_a_schema_allows(driver: Driver, schema: dict[str, Any]):
    controls = AnswerControls(max_output_tokens=120, temperature=0, output_schema=schema)

    text, end = await answer(driver, request(message("user", "Is it Paris?"), controls=controls))

    violations = [
        find_violation_quickly(schema, value)
        for value in readings(read_value(text), schema, is_wrapped=end.is_output_wrapped)
    ]
    assert None in violations


async def test_it_takes_the_history_of_another_model(driver: Driver):
    calls = [
        ToolCallPart(id=f"toolu_{number}", name="multiply", arguments={"a": number})
        for number in (1, 2)
    ]
    thought = ThinkingBlock(thinking="Hm.", signature="c2VhbGVk")
    called = message("agent", *calls, model="elsewhere/claude", thinking_blocks=[thought])
    results = [
        message("tool_result", ToolResultPart(tool_call_id="toolu_1", result=42)),
        message("tool_result", ToolResultPart(tool_call_id="toolu_2", error="not today")),
    ]
    question, more = message("user", "Six times seven?"), message("user", "Well?")

    text, _ = await answer(
        driver,
        request(question, called, *results, question, more, tools=[MULTIPLY]),
    )

    assert text


async def test_an_image_that_it_cannot_see_does_not_end_the_conversation(driver: Driver):
    # It says of what size it is, and nothing more.
    broken = image(png()[:33])
    seen = message("user", "What is this?", broken)

    text, end = await answer(
        driver, request(seen, message("agent", "I cannot say."), message("user", "Never mind."))
    )

    assert text
    assert end.without_images == (seen.id,)


async def test_a_conversation_that_is_too_long_is_called_so(driver: Driver):
    with pytest.raises(ContextTooLong, match="exceeds the available context size"):
        await answer(driver, request(message("user", "word " * 9000)))
