"""The drivers against a server that speaks the providers' wires, with and without faults."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from urllib.parse import urlsplit

import psutil
import pytest
from pydantic import SecretStr

from everruns.domain.llm import OfferedModel, Provider, ProviderAccount
from everruns.domain.messages import Message, TextPart, ToolCallPart, ToolResultPart
from everruns.domain.tools import ToolDefinition
from everruns.providers.base import (
    Driver,
    ModelAnswer,
    ModelChunk,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    UsageSoFar,
)
from everruns.providers.catalogue import profile_of
from everruns.providers.concessions import Attempt
from everruns.providers.connections import Connections
from everruns.providers.registry import open_driver
from everruns.providers.responses_request import response_body
from everruns.turn_failures import (
    ContextTooLong,
    ModelFailure,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from tests.aimock import AimockServer, missing_part

pytestmark = pytest.mark.skipif(missing_part() is not None, reason=str(missing_part()))

# By the name of the wire, which for all but one is the type of provider that speaks it.
MODELS = {
    "openai": "gpt-4.1",
    "azure_openai": "my-deployment",
    "anthropic": "claude-haiku-4-5",
    "responses": "gpt-6.1-terra",
}
SETTINGS = {
    "azure_openai": {"api_version": "2024-10-21"},
    "responses": {"api": "responses"},
}
NOW = "2026-11-01T00:00:00.000Z"
WEATHER = ToolDefinition(
    name="get_weather",
    description="Tell the weather.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}},
)


@pytest.fixture(scope="module")
def running() -> Iterator[AimockServer]:
    with AimockServer.started() as server:
        yield server


@pytest.fixture
def server(running: AimockServer) -> AimockServer:
    running.reset()
    return running


@pytest.fixture(params=list(MODELS))
def wire(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def connections() -> AsyncIterator[Connections]:
    connections = Connections()
    yield connections
    await connections.close()


@pytest.fixture
def driver(server: AimockServer, wire: str, connections: Connections) -> Driver:
    return opened(server, wire, connections)


def provider_type_of(wire: str) -> str:
    return "openai" if wire == "responses" else wire


def opened(
    server: AimockServer, wire: str, connections: Connections, silence_s: float = 5
) -> Driver:
    provider = Provider(
        id="provider_1",
        name="fake",
        provider_type=provider_type_of(wire),
        base_url=server.azure_url if wire == "azure_openai" else server.openai_url,
        settings=SETTINGS.get(wire, {}),
        created_at=NOW,
        updated_at=NOW,
    )
    account = ProviderAccount(provider=provider, api_key=SecretStr("sk-test-secret-0001"))
    return open_driver(account, connections, silence_s=silence_s)


def message(role: str, *content: object) -> Message:
    parts = [TextPart(text=part) if isinstance(part, str) else part for part in content]
    return Message(id="message_1", session_id="session_1", role=role, content=parts, created_at=NOW)


def asked(wire: str, *messages: Message, tools: tuple[ToolDefinition, ...] = ()) -> ModelRequest:
    model = OfferedModel(
        id="model_1",
        provider_id="provider_1",
        provider_name="fake",
        provider_type=provider_type_of(wire),
        model_id=MODELS[wire],
        display_name="A model",
        profile=profile_of(provider_type_of(wire), MODELS[wire]),
        created_at=NOW,
        updated_at=NOW,
    )
    return ModelRequest(model, "Be brief.", messages or (message("user", "hello"),), tools)


def ports_that_lead_to(server: AimockServer) -> set[int]:
    """Return our ends of all connections to the server."""
    port = urlsplit(server.openai_url).port
    return {
        connection.laddr.port
        for connection in psutil.Process().net_connections("tcp")
        if connection.status == psutil.CONN_ESTABLISHED and connection.raddr.port == port
    }


async def collect(driver: Driver, request: ModelRequest) -> list[ModelChunk]:
    return [chunk async for chunk in driver.stream(request) if not isinstance(chunk, UsageSoFar)]


def text_of(chunks: list[ModelChunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))


def answer_of(chunks: list[ModelChunk]) -> ModelAnswer:
    assert isinstance(chunks[-1], ModelAnswer)
    return chunks[-1]


async def test_text_streams_as_deltas_and_ends_with_one_answer(server, wire, driver):
    server.add({"match": {"userMessage": "hello"}, "response": {"content": "Hi there. " * 20}})

    chunks = await collect(driver, asked(wire))

    assert text_of(chunks) == "Hi there. " * 20
    assert sum(isinstance(chunk, TextDelta) for chunk in chunks) > 3
    assert sum(isinstance(chunk, ModelAnswer) for chunk in chunks) == 1
    assert answer_of(chunks).finish_reason == "stop"


async def test_usage_is_what_the_provider_counted(server, wire, driver):
    counted = {
        "openai": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        "anthropic": {"input_tokens": 11, "output_tokens": 7},
        "responses": {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18},
    }
    server.add(
        {
            "match": {},
            "response": {
                "content": "Hi",
                "usage": counted.get(wire, counted["openai"]),
            },
        }
    )

    usage = answer_of(await collect(driver, asked(wire))).usage

    assert (usage.input_tokens, usage.output_tokens) == (11, 7)


async def test_parallel_tool_calls_arrive_complete_and_in_order(server, wire, driver):
    calls = [{"name": "get_weather", "arguments": {"city": city}} for city in ("Paris", "Rome")]
    server.add({"match": {"toolName": "get_weather"}, "response": {"toolCalls": calls}})

    answer = answer_of(await collect(driver, asked(wire, tools=(WEATHER,))))

    assert [call.arguments for call in answer.tool_calls] == [{"city": "Paris"}, {"city": "Rome"}]
    assert {call.name for call in answer.tool_calls} == {"get_weather"}
    assert len({call.id for call in answer.tool_calls}) == 2
    assert answer.finish_reason == "tool_calls"


async def test_results_of_tools_reach_the_model(server, wire, driver):
    server.add(
        {
            "match": {"toolCallId": "call_1", "toolResultContains": "21"},
            "response": {"content": "Warm."},
        }
    )
    transcript = (
        message("user", "weather?"),
        message("agent", ToolCallPart(id="call_1", name="get_weather", arguments={"city": "Rome"})),
        message("tool_result", ToolResultPart(tool_call_id="call_1", result={"celsius": 21})),
    )

    chunks = await collect(driver, asked(wire, *transcript, tools=(WEATHER,)))

    assert text_of(chunks) == "Warm."


@pytest.mark.parametrize("wire", ["anthropic", "responses"])
async def test_reasoning_streams_before_the_text(server, wire, driver):
    server.add({"match": {}, "response": {"content": "42.", "reasoning": "Let me think."}})

    chunks = await collect(driver, asked(wire))

    reasoning = "".join(chunk.text for chunk in chunks if isinstance(chunk, ReasoningDelta))
    assert reasoning == "Let me think."
    assert isinstance(chunks[0], ReasoningDelta)
    block = answer_of(chunks).thinking_blocks[0]
    assert block.thinking == "Let me think."
    assert block.signature or (block.item and block.item["encrypted_content"])


async def test_sealed_reasoning_is_sent_back_with_the_results_of_tools(server, connections):
    call = {"id": "call_1", "name": "get_weather", "arguments": {"city": "Rome"}}
    server.add({"match": {"hasToolResult": True}, "response": {"content": "Warm."}})
    server.add({"match": {}, "response": {"toolCalls": [call], "reasoning": "I look."}})
    driver = opened(server, "responses", connections)
    question = message("user", "weather?")
    first = answer_of(await collect(driver, asked("responses", question, tools=(WEATHER,))))
    said = message(
        "agent", *(ToolCallPart(**call.model_dump()) for call in first.tool_calls)
    ).model_copy(update={"thinking_blocks": list(first.thinking_blocks)})
    result = message("tool_result", ToolResultPart(tool_call_id=first.tool_calls[0].id, result=21))
    request = asked("responses", question, said, result, tools=(WEATHER,))

    chunks = await collect(driver, request)

    assert text_of(chunks) == "Warm."
    assert [item["type"] for item in response_body(Attempt(request))["input"]] == [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
    ]


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (400, ProviderRejected),
        (401, ProviderUnauthorized),
        (404, ProviderRejected),
        (500, ProviderUnavailable),
        (503, ProviderUnavailable),
        (529, ProviderUnavailable),
    ],
)
async def test_statuses_become_failures(server, wire, driver, status, failure):
    server.add({"match": {}, "response": {"error": {"message": "No."}, "status": status}})

    with pytest.raises(failure):
        await collect(driver, asked(wire))


async def test_a_rate_limit_tells_how_long_to_wait(server, wire, driver):
    error = {"message": "Slow down.", "type": "rate_limit_error"}
    server.add({"match": {}, "response": {"error": error, "status": 429, "retryAfter": 7}})

    with pytest.raises(ProviderRateLimited) as raised:
        await collect(driver, asked(wire))

    assert raised.value.retry_after_s == 7
    assert raised.value.retryable


async def test_a_conversation_that_is_too_long_is_named(server, wire, driver):
    error = {
        "message": "prompt is too long: 210000 tokens > 200000 maximum",
        "type": "invalid_request_error",
    }
    server.add({"match": {}, "response": {"error": error, "status": 400}})

    with pytest.raises(ContextTooLong):
        await collect(driver, asked(wire))


async def test_a_stream_cut_in_the_middle_is_unavailable(server, wire, driver):
    server.add(
        {
            "match": {},
            "response": {"content": "This answer will not come to its end. " * 5},
            "truncateAfterChunks": 4,
        }
    )

    with pytest.raises(ProviderUnavailable, match="broke off"):
        await collect(driver, asked(wire))


@pytest.mark.parametrize("fault", ["disconnectRate", "dropRate"])
async def test_faults_of_the_server_are_unavailable(server, wire, driver, fault):
    server.add({"match": {}, "response": {"content": "Hi"}, "chaos": {fault: 1}})

    with pytest.raises(ProviderUnavailable):
        await collect(driver, asked(wire))


async def test_an_answer_that_makes_no_sense_is_not_asked_for_again(server, wire, driver):
    server.add({"match": {}, "response": {"content": "Hi"}, "chaos": {"malformedRate": 1}})

    with pytest.raises(ModelFailure, match="invalid data") as raised:
        await collect(driver, asked(wire))
    assert not raised.value.retryable


async def test_a_silent_model_is_given_up(server, wire, connections):
    server.add({"match": {}, "response": {"content": "Late."}, "streamingProfile": {"ttft": 20000}})
    driver = opened(server, wire, connections, silence_s=0.3)

    with pytest.raises(ProviderUnavailable, match="silent"):
        await collect(driver, asked(wire))


async def test_closing_a_stream_early_ends_the_call(server, wire, driver):
    server.add({"match": {}, "response": {"content": "word " * 400}, "latency": 20, "chunkSize": 5})

    async with aclosing(driver.stream(asked(wire))) as chunks:
        first = await anext(chunk async for chunk in chunks if isinstance(chunk, TextDelta))

    assert first.text


async def test_calls_after_each_other_share_a_connection(server, wire, driver):
    server.add({"match": {}, "response": {"content": "Hi"}})

    ports: set[int] = set()
    others = ports_that_lead_to(server)
    for _ in range(3):
        await collect(driver, asked(wire))
        ports |= ports_that_lead_to(server) - others

    assert len(ports) == 1


async def test_the_key_goes_where_the_provider_looks(server, wire, driver):
    server.add({"match": {}, "response": {"content": "Hi"}})
    await collect(driver, asked(wire))

    call = server.calls()[-1]

    header = {"azure_openai": "api-key", "anthropic": "x-api-key"}
    assert header.get(wire, "authorization") in call["headers"]
    assert (
        call["path"].split("?")[0]
        == {
            "openai": "/v1/chat/completions",
            "azure_openai": "/openai/deployments/my-deployment/chat/completions",
            "anthropic": "/v1/messages",
            "responses": "/v1/responses",
        }[wire]
    )


async def test_models_on_offer_are_listed(server, connections):
    driver = opened(server, "openai", connections)

    assert await driver.list_models()
