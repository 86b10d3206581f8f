"""What a client may send as a message."""

from typing import Any

import pytest
from pydantic import ValidationError

from everruns.domain.base import MAX_METADATA_BYTES, MIB
from everruns.domain.messages import (
    MAX_IMAGES_BYTES,
    MAX_TEXT_BYTES,
    ImageToAttach,
    SendMessage,
    TextPart,
)

IMAGE = {"type": "image", "base64": "aGk=", "media_type": "image/png"}


@pytest.mark.parametrize(
    "body",
    [
        {"content": "hi"},
        {"message": "hi"},
        {"message": {"content": "hi"}},
        {"message": {"role": "user", "content": "hi"}},
        {"content": [{"type": "text", "text": "hi"}]},
        {"message": {"role": "user", "content": [{"type": "text", "text": "hi"}]}},
    ],
)
def test_shorthands_mean_one_part_of_text(body):
    assert SendMessage.model_validate(body).message.content == [TextPart(text="hi")]


def test_shorthands_keep_the_fields_beside_the_message():
    sent = SendMessage.model_validate(
        {
            "content": "hi",
            "controls": {"model_id": "a/b", "reasoning": {"effort": "low"}},
            "metadata": {"x": [1]},
            "tags": ["t"],
            "unknown": True,
        }
    )
    assert sent.controls.model_id == "a/b"
    assert sent.controls.reasoning.effort == "low"
    assert (sent.metadata, sent.tags) == ({"x": [1]}, ["t"])


def test_images_come_by_address_or_by_content():
    address = {"type": "image", "url": "https://example.org/a.png"}
    sent = SendMessage.model_validate({"content": [address, IMAGE]})
    assert all(isinstance(part, ImageToAttach) for part in sent.message.content)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message": None},
        {"content": 7},
        {"content": []},
        {"message": {"role": "system", "content": "hi"}},
        {"message": {"role": "agent", "content": "hi"}},
        {"content": [{"type": "tool_call", "id": "a", "name": "b"}]},
        {"content": [{"type": "tool_result", "tool_call_id": "a"}]},
        {"content": [{"type": "image"}]},
        {"content": [{"type": "image", "base64": "aGk="}]},
        {"content": [{**IMAGE, "url": "https://example.org/a.png"}]},
        {"content": [{"type": "image", "url": "file:///etc/passwd"}]},
        {"content": [{**IMAGE, "media_type": "text/html"}]},
        {"content": [{"type": "text", "text": "x"}] * 101},
        {"content": "x" * (MIB + 1)},
        {"content": "é" * (MIB // 2 + 1)},
        {"content": "hi", "controls": {"reasoning": {"effort": "extreme"}}},
        {"content": "hi", "tags": ["t"] * 101},
        "hi",
        None,
    ],
)
def test_anything_else_is_refused(body):
    with pytest.raises(ValidationError):
        SendMessage.model_validate(body)


def test_a_text_of_exactly_the_limit_is_taken():
    assert SendMessage.model_validate({"content": "x" * MIB})


LARGE_IMAGE = {"type": "image", "media_type": "image/png", "base64": "A" * (MAX_IMAGES_BYTES // 4)}


@pytest.mark.parametrize(
    "body",
    [
        {"content": [{"type": "text", "text": "x" * (MAX_TEXT_BYTES // 4)}] * 5},
        {"content": [LARGE_IMAGE] * 5},
        {"content": "hi", "metadata": {"x": "y" * MAX_METADATA_BYTES}},
    ],
    ids=["texts", "images", "metadata"],
)
def test_a_message_is_bounded_as_a_whole(body: dict[str, Any]):
    with pytest.raises(ValidationError, match="at most"):
        SendMessage.model_validate(body)


def test_a_message_may_have_as_much_as_its_bounds_allow():
    texts = [{"type": "text", "text": "x" * (MAX_TEXT_BYTES // 4)}] * 4
    SendMessage.model_validate({"content": [*texts, *[LARGE_IMAGE] * 4]})
