"""What a tool returned in parts, as each kind of provider is shown it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from everruns.domain.llm import ModelProfile
from everruns.domain.messages import Message, ToolCallPart, ToolResultPart
from everruns.domain.parts import FilePart, ImagePart, JsonPart, ResultPart, TextPart
from everruns.domain.transcript import IMAGE_LEFT_OUT
from everruns.providers.anthropic_request import message_body
from everruns.providers.base import ModelRequest
from everruns.providers.chat_request import IMAGES_OF_RESULTS, completion_body
from everruns.providers.concessions import Attempt, concede
from everruns.providers.dialects import DIALECTS
from everruns.providers.responses_request import response_body
from everruns.providers.tool_calls import IMAGE_FOLLOWS
from everruns.turn_failures import ProviderRejected
from tests.odd_images import IMAGES, PIXEL

IMAGE = IMAGES["a PNG"]
BY_ADDRESS = ImagePart(url="https://x.test/a.png")
DATA_URL = f"data:image/png;base64,{PIXEL}"
CHART = [TextPart(text="A chart:"), IMAGE, JsonPart(value={"rows": 3})]


@pytest.fixture
def returned(say: Callable[..., Message]) -> Callable[..., list[Message]]:
    """Build a conversation in which calls returned these parts, one list each."""

    def build(*outputs: list[ResultPart]) -> list[Message]:
        calls = [ToolCallPart(id=f"call_{at}", name="draw") for at, _ in enumerate(outputs)]
        results = [
            ToolResultPart(tool_call_id=call.id, parts=parts)
            for call, parts in zip(calls, outputs, strict=True)
        ]
        messages = [say("user", "Draw."), say("agent", *calls)]
        messages += [say("tool_result", result) for result in results]
        return [
            message.model_copy(update={"id": f"message_{at}"})
            for at, message in enumerate(messages)
        ]

    return build


def chat(request: ModelRequest, dialect: str = "openai") -> list[dict[str, Any]]:
    return completion_body(Attempt(request), DIALECTS[dialect])["messages"]


def blind(request: ModelRequest) -> ModelRequest:
    """The same request to a model that sees no images."""
    model = request.model.model_copy(update={"profile": ModelProfile(name="m", attachment=False)})
    return replace(request, model=model)


def test_anthropic_gets_images_within_the_result(ask, returned):
    (result,) = message_body(Attempt(ask("claude-sonnet-4-5", *returned(CHART))))["messages"][-1][
        "content"
    ]

    assert result["content"] == [
        {"type": "text", "text": "A chart:"},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
        },
        {"type": "text", "text": '{"rows":3}'},
    ]


def test_the_responses_api_gets_images_within_the_output(ask, returned):
    item = response_body(Attempt(ask("gpt-5.5", *returned(CHART))))["input"][-1]

    assert item["output"] == [
        {"type": "input_text", "text": "A chart:"},
        {"type": "input_image", "image_url": DATA_URL, "detail": "auto"},
        {"type": "input_text", "text": '{"rows":3}'},
    ]


def test_chat_completions_get_images_after_all_results_of_the_answer(ask, say, returned):
    conversation = [*returned(CHART, [IMAGE]), say("user", "And?")]

    first, second, user = chat(ask("gpt-4.1", *conversation))[-3:]

    assert first["content"] == f'A chart:\n\n{IMAGE_FOLLOWS}\n\n{{"rows":3}}'
    assert second["content"] == IMAGE_FOLLOWS
    assert user == {
        "role": "user",
        "content": [
            {"type": "text", "text": IMAGES_OF_RESULTS},
            {"type": "image_url", "image_url": {"url": DATA_URL}},
            {"type": "image_url", "image_url": {"url": DATA_URL}},
            {"type": "text", "text": "And?"},
        ],
    }


def test_a_server_that_wants_an_answer_after_results_gets_one_before_their_images(ask, returned):
    roles = [message["role"] for message in chat(ask("m", *returned([IMAGE])), "mistral")]

    assert roles == ["user", "assistant", "tool", "assistant", "user"]


@pytest.mark.parametrize(("dialect", "image"), [("deepseek", IMAGE), ("ollama", BY_ADDRESS)])
def test_images_that_a_server_does_not_take_are_a_note_in_the_result(ask, returned, dialect, image):
    last = chat(ask("m", *returned([image])), dialect)[-1]

    assert (last["role"], last["content"]) == ("tool", IMAGE_LEFT_OUT)


def test_a_model_that_sees_no_images_is_told_that_one_was_returned(ask, returned):
    last = chat(blind(ask("gpt-4.1", *returned(CHART))))[-1]

    assert last["content"] == f'A chart:\n\n{IMAGE_LEFT_OUT}\n\n{{"rows":3}}'


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([TextPart(text="one"), TextPart(text="two")], "one\n\ntwo"),
        ([TextPart(text=" "), JsonPart()], '" "\n\nnull'),
        ([], "(The tool returned nothing.)"),
        (
            [FilePart(path="/a.csv", media_type="text/csv", size_bytes=3)],
            "(The file /a.csv, text/csv, 3 bytes, is in the session's workspace.)",
        ),
    ],
)
def test_parts_without_images_are_text_for_everyone(ask, returned, parts, text):
    results = returned(parts)

    anthropic = message_body(Attempt(ask("claude-sonnet-4-5", *results)))["messages"][-1]
    assert anthropic["content"][0]["content"] == text
    assert response_body(Attempt(ask("gpt-5.5", *results)))["input"][-1]["output"] == text
    assert chat(ask("gpt-4.1", *results))[-1]["content"] == text


@pytest.mark.parametrize(
    "reason",
    [
        "The image is too large.",
        # A result that has none: another one of its answer is meant.
        "Invalid 'messages[3].content': bad image",
        # Where the images of both results stand.
        "Invalid 'messages[4].content[1].image_url': bad image",
    ],
)
def test_images_of_results_that_are_refused_are_left_out(ask, returned, reason):
    attempt = Attempt(ask("m", *returned([IMAGE], [TextPart(text="none"), JsonPart()])))

    def render(tried: Attempt) -> dict[str, Any]:
        return completion_body(tried, DIALECTS["openai"])

    refusal = ProviderRejected("Refused.", None, None)
    refusal.reason = reason
    again = concede(attempt, render(attempt), refusal, render)

    assert again is not None
    assert again.without_images == ("message_2",)
    assert "image_url" not in str(render(again))
