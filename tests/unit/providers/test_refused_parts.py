"""A part of the conversation that a provider refuses is replaced, and the model asked once more."""

from collections.abc import Callable
from typing import Any

import pytest

from everruns.domain.messages import ImagePart, Message, ToolCallPart, ToolResultPart
from everruns.domain.transcript import MESSAGE_LEFT_OUT
from everruns.providers.anthropic import AnthropicDriver
from everruns.providers.chat_completions import ChatCompletionsDriver
from everruns.providers.responses import ResponsesDriver
from everruns.turn_failures import ProviderRejected
from tests.anthropic_events import answer
from tests.odd_images import PIXEL
from tests.response_events import completed, message

IMAGE = ImagePart(base64=PIXEL, media_type="image/png")
STOP = {"choices": [{"delta": {"content": "ok"}, "finish_reason": "stop"}]}


@pytest.fixture
def history(say: Callable[..., Message]) -> list[Message]:
    """Two images, a call with its result, and what is asked now."""
    messages = [
        say("user", "one", IMAGE),
        say("user", "two"),
        say("agent", "Hm.", ToolCallPart(id="a", name="look", arguments={"at": "it"})),
        say("tool_result", ToolResultPart(tool_call_id="a", result="a secret")),
        say("agent", "Seen."),
        say("user", "three", IMAGE),
        say("agent", "Yes."),
        say("user", "now?"),
    ]
    return [
        message.model_copy(update={"id": f"message_{at}"}) for at, message in enumerate(messages)
    ]


@pytest.fixture
def left_out(provider, ask, collect, history) -> Callable[..., Any]:
    """Refuse the history with these words; return what the answer says is left out."""

    async def refuse(driver: type[Any], model: str, *reasons: str) -> tuple[Any, Any]:
        for reason in reasons:
            provider.refuses(400, {"message": reason, "type": "invalid_request_error"})
        match driver:
            case _ if driver is ChatCompletionsDriver:
                provider.streams(STOP)
            case _ if driver is AnthropicDriver:
                provider.streams(*answer(type="text", text="ok"))
            case _:
                provider.streams(completed(message("ok", id="m")))
        request = ask(model, *history, system_prompt="Be brief.")
        end = (await collect(driver(provider.wire()), request))[-1]
        return tuple(end.without_images), tuple(end.without_messages)

    return refuse


@pytest.mark.parametrize(
    ("driver", "model", "place"),
    [
        (ChatCompletionsDriver, "m", "Invalid 'messages[5].content[1].image_url': bad image"),
        (AnthropicDriver, "claude-x", "messages.4.content.1.image.source: bad image"),
        (ResponsesDriver, "gpt-5.5", "Invalid 'input[6].content[1]': bad image"),
    ],
)
async def test_the_image_that_a_refusal_names_is_left_out(left_out, driver, model, place):
    assert await left_out(driver, model, place) == (("message_5",), ())


@pytest.mark.parametrize(
    ("driver", "model", "place"),
    [
        (ChatCompletionsDriver, "m", "Invalid 'messages[3].content': flagged"),
        (ResponsesDriver, "gpt-5.5", "input[4].output: flagged"),
    ],
)
async def test_a_result_that_a_refusal_names_becomes_a_note(
    provider, left_out, driver, model, place
):
    assert await left_out(driver, model, place) == ((), ("message_3",))

    assert b"a secret" in provider.requests[0].content
    assert b"a secret" not in provider.requests[1].content
    assert MESSAGE_LEFT_OUT.encode() in provider.requests[1].content


async def test_messages_that_one_entry_holds_go_together(left_out):
    words = "Invalid 'messages[1].content': flagged"

    assert await left_out(ChatCompletionsDriver, "m", words) == ((), ("message_0", "message_1"))


async def test_if_no_place_is_named_images_go_and_then_what_was_never_answered(left_out):
    outcome = await left_out(ChatCompletionsDriver, "m", "Flagged.", "Flagged.")

    assert outcome == (("message_0", "message_5"), ("message_0",))


@pytest.mark.parametrize("at", [7, 99])
async def test_what_is_asked_now_and_what_is_not_there_is_no_part_to_leave_out(left_out, at):
    words = f"Invalid 'messages[{at}].content'"

    assert await left_out(ChatCompletionsDriver, "m", words) == (("message_0", "message_5"), ())


async def test_each_way_is_tried_once(provider, left_out):
    with pytest.raises(ProviderRejected, match="Flagged"):
        await left_out(ChatCompletionsDriver, "m", *["Flagged."] * 3)

    assert len(provider.requests) == 3
