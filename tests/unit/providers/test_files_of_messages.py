"""Files of messages, as each kind of provider is shown them."""

from dataclasses import replace
from typing import Any

import pytest

from everruns.domain.llm import ModelProfile
from everruns.domain.parts import AttachedFilePart
from everruns.providers.anthropic_request import message_body
from everruns.providers.attachments import FileLimits, sent_messages
from everruns.providers.base import ModelRequest
from everruns.providers.chat_request import completion_body
from everruns.providers.concessions import Attempt, concede
from everruns.providers.dialects import DIALECTS
from everruns.providers.image_limits import ANYWHERE, ImageLimits
from everruns.providers.responses_request import response_body
from everruns.turn_failures import ProviderRejected
from tests.odd_images import IMAGES
from tests.pdfs import attached_pdf

DOCUMENT = attached_pdf()
ENCODED = DOCUMENT.base64 or ""
DATA_URL = f"data:application/pdf;base64,{ENCODED}"
NOTES = AttachedFilePart(
    path="/notes.md", filename="notes.md", media_type="text/markdown", size_bytes=5, text="- buy"
)
READ = "The file a.pdf:\n<file>\nHello\n</file>"


def chat(request: ModelRequest, dialect: str) -> Any:
    return completion_body(Attempt(request), DIALECTS[dialect])["messages"][-1]["content"]


def test_anthropic_gets_a_pdf_as_a_document(ask, say):
    (block,) = message_body(Attempt(ask("claude-sonnet-4-5", say("user", DOCUMENT))))["messages"][
        0
    ]["content"]

    assert block == {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": DOCUMENT.base64},
        "title": "a.pdf",
        "cache_control": {"type": "ephemeral"},
    }


def test_the_responses_api_gets_a_pdf_as_an_input_file(ask, say):
    (item,) = response_body(Attempt(ask("gpt-5.5", say("user", DOCUMENT))))["input"]

    assert item["content"] == [{"type": "input_file", "filename": "a.pdf", "file_data": DATA_URL}]


@pytest.mark.parametrize("dialect", ["openai", "openrouter"])
def test_some_servers_of_chat_completions_get_a_pdf_as_a_file(ask, say, dialect):
    content = chat(ask("m", say("user", "What is it?", DOCUMENT)), dialect)

    assert content == [
        {"type": "text", "text": "What is it?"},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": DATA_URL}},
    ]


@pytest.mark.parametrize("dialect", ["compatible", "gemini", "deepseek", "llama.cpp"])
def test_other_servers_get_the_text_of_a_pdf(ask, say, dialect):
    assert chat(ask("m", say("user", DOCUMENT)), dialect) == READ


def test_a_model_that_takes_no_attachments_gets_the_text_of_a_pdf(ask, say):
    request = ask("m", say("user", DOCUMENT))
    model = request.model.model_copy(update={"profile": ModelProfile(name="m", attachment=False)})

    assert chat(replace(request, model=model), "openai") == READ


def test_scanned_pages_are_told_of_where_they_cannot_be_shown(ask, say):
    content = chat(ask("m", say("user", attached_pdf(text=""))), "compatible")

    assert (
        content == "(The PDF a.pdf was here. No text could be read from it: its pages are images.)"
    )


def test_a_text_file_is_text_for_everyone(ask, say):
    text = "The file /notes.md:\n<file>\n- buy\n</file>"
    message = say("user", NOTES)

    anthropic = message_body(Attempt(ask("claude-sonnet-4-5", message)))["messages"][0]
    assert anthropic["content"][0]["text"] == text
    responses = response_body(Attempt(ask("gpt-5.5", message)))["input"][0]
    assert responses["content"] == [{"type": "input_text", "text": text}]
    assert chat(ask("gpt-4.1", message), "openai") == text


@pytest.mark.parametrize(
    "limits",
    [
        FileLimits(pages=2, total=10**6),
        FileLimits(pages=9, total=len(ENCODED) * 5 // 2),
    ],
)
def test_of_too_many_pages_or_bytes_the_newest_go(ask, say, limits):
    request = ask("m", *[say("user", DOCUMENT)] * 3)

    sent = [message.content[0].type for message in sent_messages(request, ANYWHERE, limits)]

    assert sent == ["text", "file", "file"]


def test_images_have_the_room_that_files_leave(ask, say):
    image = IMAGES["a PNG"]
    size = len(ENCODED) + len(image.base64 or "")
    request = ask("m", say("user", image, DOCUMENT, image))

    (sent,) = sent_messages(request, ImageLimits(total=size), FileLimits(pages=9, total=10**6))

    assert [part.type for part in sent.content] == ["text", "file", "image"]


def test_an_earlier_pdf_that_is_refused_goes_as_its_text(ask, say):
    first = say("user", DOCUMENT).model_copy(update={"id": "message_first"})
    attempt = Attempt(ask("m", first, say("agent", "Hm."), say("user", "And now?")))

    def render(tried: Attempt) -> dict[str, Any]:
        return completion_body(tried, DIALECTS["openai"])

    refusal = ProviderRejected("Refused.", None, None)
    refusal.reason = "Invalid 'messages[0].content[0].file': could not parse the PDF"
    again = concede(attempt, render(attempt), refusal, render)

    assert again is not None
    assert again.without_images == ("message_first",)
    assert render(again)["messages"][0]["content"] == READ
