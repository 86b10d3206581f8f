"""Tools that Anthropic loads once a search has found them."""

from typing import Any

import pytest
from pydantic import SecretStr

from everruns.domain.deferred_tools import CALL_TOOL, SEARCH_TOOLS, called_by_call_tool
from everruns.domain.llm import Provider, ProviderAccount
from everruns.domain.messages import Message, ToolCallPart, ToolResultPart
from everruns.domain.tools import ToolDefinition
from everruns.providers import registry
from everruns.providers.anthropic import AnthropicDriver
from everruns.providers.anthropic_request import message_body
from everruns.providers.base import ModelRequest
from everruns.providers.concessions import Attempt
from everruns.providers.loaded_tools import loads_found_tools
from everruns.providers.registry import open_driver
from everruns.tools.deferred import CALL_DEFINITION, SEARCH_DEFINITION
from everruns.turn_failures import ProviderRejected
from tests.anthropic_events import answer
from tests.vendors.table import all_problems

MODEL = "claude-sonnet-4-5"
PARAMETERS = {"type": "object", "properties": {"id": {"type": "integer"}}}
CLOSE = ToolDefinition(name="close_ticket", description="Close it.", parameters=PARAMETERS)
OPEN = ToolDefinition(name="open_ticket", description="Open it.", parameters=PARAMETERS)
CLOCK = ToolDefinition(name="clock", description="Tell the time.", parameters={"type": "object"})
END = answer(type="text", text="Ok")
NAMES_THE_FIELD = "tools.3.custom.defer_loading: Extra inputs are not permitted"
NAMES_THE_BLOCK = (
    "messages.2.content.0.tool_result.content.0: Input tag 'tool_reference' found using 'type' "
    "does not match any of the expected tags"
)
NAMES_A_TOOL = "tools.4.custom.input_schema: JSON schema is invalid"


def found(*names: str) -> dict[str, Any]:
    shown = [{"name": name, "description": "", "parameters": PARAMETERS} for name in names]
    return {"tools": shown, "note": "Call one with call_tool."}


@pytest.fixture
def searched(ask, say):
    """Ask after a search and a call of what it found, as the runtime does."""

    def build(
        result: Any = None,
        *,
        error: str | None = None,
        deferred: tuple[ToolDefinition, ...] = (CLOSE, OPEN),
        model: str = MODEL,
    ) -> ModelRequest:
        outcome = ToolResultPart(
            tool_call_id="toolu_1", result=result or found("close_ticket"), error=error
        )
        call = ToolCallPart(id="toolu_2", name="close_ticket", arguments={"id": 7})
        messages: list[Message] = [
            say("user", "Close it."),
            say("agent", ToolCallPart(id="toolu_1", name=SEARCH_TOOLS, arguments={"query": "c"})),
            say("tool_result", outcome),
            say("agent", call),
            say("tool_result", ToolResultPart(tool_call_id="toolu_2", result="done")),
        ]
        return ask(
            model,
            *called_by_call_tool(messages, {"close_ticket", "open_ticket"}),
            system_prompt="Be brief.",
            tools=[CLOCK, SEARCH_DEFINITION, CALL_DEFINITION],
            deferred=deferred,
        )

    return build


def body_of(request: ModelRequest) -> dict[str, Any]:
    body = message_body(Attempt(request))
    assert all_problems("anthropic", body) == []
    return body


def calls_of(body: dict[str, Any]) -> list[tuple[str, Any]]:
    blocks = [block for message in body["messages"] for block in message["content"]]
    return [(block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]


def contents_of(body: dict[str, Any]) -> list[Any]:
    blocks = [block for message in body["messages"] for block in message["content"]]
    return [block["content"] for block in blocks if block["type"] == "tool_result"]


BY_CALL_TOOL = (CALL_TOOL, {"name": "close_ticket", "arguments": {"id": 7}})


def test_found_tools_are_declared_referred_to_and_called_by_their_own_names(searched):
    body = body_of(searched())

    assert body["tools"][3:] == [
        {
            "name": "close_ticket",
            "description": "Close it.",
            "input_schema": PARAMETERS,
            "defer_loading": True,
        },
        {
            "name": "open_ticket",
            "description": "Open it.",
            "input_schema": PARAMETERS,
            "defer_loading": True,
        },
    ]
    assert [(tool["name"], set(tool)) for tool in body["tools"][:3]] == [
        (name, {"name", "description", "input_schema"})
        for name in ("clock", SEARCH_TOOLS, CALL_TOOL)
    ]
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Close it."}]},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "toolu_1", "name": SEARCH_TOOLS, "input": {"query": "c"}}
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": [{"type": "tool_reference", "tool_name": "close_ticket"}],
                    "is_error": False,
                }
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "toolu_2", "name": "close_ticket", "input": {"id": 7}}
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_2",
                    "content": "done",
                    "is_error": False,
                    "cache_control": {"type": "ephemeral"},
                }
            ],
        },
    ]


def test_what_is_cached_is_never_a_tool_that_is_loaded_later(searched):
    """Source: https://github.com/nearai/ironclaw/pull/7274."""
    body = body_of(searched())

    assert not any("cache_control" in tool for tool in body["tools"])
    assert body["system"][0]["cache_control"] == {"type": "ephemeral"}


def test_a_reference_to_a_tool_that_is_gone_is_left_out(searched):
    body = body_of(searched(found("gone", "open_ticket", "clock")))

    assert contents_of(body)[0] == [{"type": "tool_reference", "tool_name": "open_ticket"}]
    assert calls_of(body)[1] == BY_CALL_TOOL


@pytest.mark.parametrize("outcome", [{"result": found("gone")}, {"error": "It broke."}])
def test_a_search_that_found_nothing_that_there_is_now_stays_a_text(searched, outcome):
    body = body_of(searched(**outcome))

    assert isinstance(contents_of(body)[0], str)
    assert calls_of(body)[1] == BY_CALL_TOOL


def test_a_call_before_its_tool_was_found_stays_one_of_call_tool(ask, say, searched):
    request = searched()
    _, *rest = request.messages
    again = say("agent", ToolCallPart(id="toolu_0", name=CALL_TOOL, arguments=BY_CALL_TOOL[1]))
    early = [say("user", "Hi"), again, say("tool_result", ToolResultPart(tool_call_id="toolu_0"))]
    body = body_of(ask(MODEL, *early, *rest, tools=request.tools, deferred=request.deferred))

    assert calls_of(body)[0] == BY_CALL_TOOL
    assert calls_of(body)[2] == ("close_ticket", {"id": 7})


def test_without_tools_nothing_is_referred_to(ask, searched):
    request = searched()
    body = body_of(ask(MODEL, *request.messages, deferred=request.deferred))

    assert "tools" not in body
    assert isinstance(contents_of(body)[0], str)


@pytest.mark.parametrize(
    ("model", "loads"),
    [
        *[(name, True) for name in ("claude-sonnet-4-5-20250929", "claude-haiku-4-5")],
        *[(name, True) for name in ("claude-opus-4-8", "claude-opus-5", "claude-sonnet-5-5")],
        *[(name, True) for name in ("claude-fable-5-2", "claude-mythos-5", "claude-haiku-10-1")],
        *[(name, False) for name in ("claude-opus-4-1-20250805", "claude-opus-4-20250514")],
        *[(name, False) for name in ("claude-3-7-sonnet-20250219", "claude-sonnet-4-0", "x")],
    ],
)
def test_models_since_4_5_load_tools(model, loads):
    assert loads_found_tools(model) is loads


@pytest.mark.parametrize("is_vendors", [False, True])
async def test_others_are_sent_the_two_tools_alone(provider, collect, searched, is_vendors):
    model = "claude-opus-4-1" if is_vendors else MODEL
    provider.streams(*END)

    await collect(AnthropicDriver(provider.wire(), is_vendors=is_vendors), searched(model=model))

    assert [tool["name"] for tool in provider.bodies[0]["tools"]] == [
        "clock",
        SEARCH_TOOLS,
        CALL_TOOL,
    ]
    assert calls_of(provider.bodies[0])[1] == BY_CALL_TOOL


@pytest.mark.parametrize("reason", [NAMES_THE_FIELD, NAMES_THE_BLOCK, NAMES_A_TOOL])
async def test_a_refusal_of_loading_is_answered_with_the_two_tools_and_remembered(
    provider, collect, searched, reason
):
    driver = AnthropicDriver(provider.wire(), is_vendors=True)
    provider.refuses(400, {"type": "invalid_request_error", "message": reason})
    provider.streams(*END)
    provider.streams(*END)

    await collect(driver, searched())
    await collect(driver, searched())

    asked, again, later = provider.bodies
    assert len(asked["tools"]) == 5
    assert again == later == message_body(Attempt(searched(deferred=())))


async def test_another_refusal_does_not_turn_loading_off(provider, collect, searched):
    driver = AnthropicDriver(provider.wire(), is_vendors=True)
    provider.refuses(400, {"message": "tools.0.custom.input_schema: JSON schema is invalid"})
    provider.streams(*END)

    with pytest.raises(ProviderRejected):
        await collect(driver, searched())
    await collect(driver, searched())

    assert [len(body["tools"]) for body in provider.bodies] == [5, 5]


async def test_an_operator_can_turn_loading_off(provider, collect, searched):
    provider.streams(*END)

    await collect(AnthropicDriver(provider.wire(), ["defer_loading"], is_vendors=True), searched())

    assert provider.bodies == [message_body(Attempt(searched(deferred=())))]


@pytest.mark.parametrize("has_address", [False, True])
async def test_only_anthropics_own_address_is_known_to_load(
    provider, collect, searched, monkeypatch, has_address
):
    address = provider.wire().base_url
    monkeypatch.setitem(registry._VENDORS, "anthropic", address)
    mine = Provider(
        id="provider_1",
        name="mine",
        provider_type="anthropic",
        base_url=address if has_address else None,
        created_at="",
        updated_at="",
    )
    account = ProviderAccount(provider=mine, api_key=SecretStr("key"))
    provider.streams(*END)

    await collect(open_driver(account, provider.connections, silence_s=5), searched())

    assert len(provider.bodies[0]["tools"]) == (3 if has_address else 5)
