"""A session goes from vendor to vendor, with everything in its history.

Each vendor is a strict fake: it refuses what its documents and people's reports say it refuses. The
runtime, the drivers and HTTP are the real ones.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from pydantic import SecretStr

from everruns.domain.events import EventType
from everruns.domain.llm import ModelInput, ProviderInput
from everruns.domain.messages import SendMessage
from everruns.domain.schemas import find_violation
from everruns.domain.tools import ToolDefinition
from everruns.runtime.local import LocalRuntime
from everruns.tools.base import ToolContext
from tests.conversations import Conversation
from tests.recorded_streams import WireName
from tests.scripts import local_runtime
from tests.vendors.answers import THOUGHT, said_by
from tests.vendors.server import Vendors, running_vendors
from tests.vendors.table import VENDORS

FIVE = ["openai-responses", "anthropic", "gemini", "mistral", "deepseek"]
ANOTHER_FIVE = ["moonshot", "groq", "openrouter", "ollama", "xai"]
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
# Models of other vendors, as gateways name them.
BEHIND = ["mistral/mistral-medium-latest", "deepseek/deepseek-v4-pro"]
IMAGES: Sequence[dict[str, Any]] = [
    {"type": "image", "base64": PIXEL, "media_type": "image/png"},
    {"type": "image", "url": "https://example.org/harbour.png"},
]
SETTINGS: Mapping[WireName, dict[str, Any]] = {
    "messages": {},
    "responses": {"api": "responses"},
}


class Multiply:
    """A real tool."""

    definition = ToolDefinition(
        name="multiply",
        description="Multiply two numbers.",
        parameters={
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        },
    )
    reads_only = True
    repeatable = True
    destructive = False
    runs_alone = None
    timeout_s = 5.0

    def problem_with(self, arguments: dict[str, Any]) -> str | None:
        return find_violation(self.definition.parameters, arguments)

    async def run(self, arguments: Mapping[str, Any], _context: ToolContext) -> Any:
        return arguments["a"] * arguments["b"]


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    async with running_vendors() as vendors:
        yield vendors


@pytest.fixture
async def runtime(vendors: Vendors) -> AsyncIterator[LocalRuntime]:
    async with local_runtime(None, Multiply()) as runtime:
        for name, vendor in VENDORS.items():
            is_own = vendor.wire == "messages"
            await runtime.registry.providers.add(
                ProviderInput(
                    name=name,
                    provider_type="anthropic" if is_own else "openai",
                    base_url=vendors.base_url(name),
                    api_key=SecretStr("sk-test"),
                    models=[ModelInput(model_id=model) for model in (vendor.model, *BEHIND)],
                    # The fakes are all on the loopback, which tells nothing of the vendor.
                    settings={"dialect": name} if vendor.wire == "chat" else SETTINGS[vendor.wire],
                )
            )
        yield runtime


async def turn(
    talk: Conversation,
    vendor: str,
    images: Sequence[dict[str, Any]] = (),
    model: str | None = None,
) -> None:
    """Ask one vendor, with images."""
    content = [{"type": "text", "text": f"Go on with {vendor}."}, *images]
    model_id = f"{vendor}/{model or VENDORS[vendor].model}"
    controls = {"model_id": model_id, "reasoning": {"effort": "medium"}}
    sent = SendMessage.model_validate({"message": {"content": content}, "controls": controls})
    await talk.runtime.sessions.send(talk.id, sent, None)
    ended = await talk.ended()
    assert ended.type == EventType.SESSION_COMPLETED, ended.data


@pytest.mark.parametrize(
    "names",
    [FIVE, ANOTHER_FIVE, list(VENDORS)],
    ids=["five vendors", "another five", "all vendors"],
)
async def test_a_session_may_change_its_model_at_every_turn(
    names: list[str], vendors: Vendors, runtime: LocalRuntime
):
    talk = await Conversation.begin(runtime, capabilities=["kit"])
    for at, name in enumerate([*names, *names]):
        images = IMAGES if at % len(names) in {0, 2} else ()
        await turn(talk, name, images)

        assert vendors.problems == []
        asked, body = vendors.bodies[-1]
        assert asked == name
        assert (await talk.messages())[-1].text == said_by(name, body)

    messages = await talk.messages()
    parts = [part for message in messages for part in message.content]
    results = [part.result for part in parts if part.type == "tool_result"]
    assert results == [42, 6] * (2 * len(names))
    reasoned = [message for message in messages if message.thinking]
    assert all(message.thinking == THOUGHT for message in reasoned)
    assert len(reasoned) >= 2 * len(names)


async def test_behind_one_gateway_a_session_may_go_from_vendor_to_vendor(
    vendors: Vendors, runtime: LocalRuntime
):
    talk = await Conversation.begin(runtime, capabilities=["kit"])
    models = [VENDORS["litellm"].model, *BEHIND]

    for model in [*models, *models]:
        await turn(talk, "litellm", model=model)

    assert vendors.problems == []
    first_asked = {body["model"]: body for _, body in reversed(vendors.bodies)}
    sent_back = [
        message
        for body in first_asked.values()
        for message in body["messages"]
        if "reasoning_content" in message
    ]
    assert sent_back == [], "reasoning went to a model that had not said anything yet"
