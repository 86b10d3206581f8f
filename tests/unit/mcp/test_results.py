"""What a model is told of a result."""

import base64

import orjson
import pytest
from mcp_types import CallToolResult

from everruns.domain.parts import ImagePart, JsonPart, TextPart, ToolOutput
from everruns.mcp.results import MAX_TEXT_BYTES, told
from everruns.tools.base import ToolError
from tests.odd_images import png


def result(*content, structured=None, is_error=False) -> CallToolResult:
    body = {"content": list(content), "isError": is_error}
    if structured is not None:
        body["structuredContent"] = structured
    return CallToolResult.model_validate(body)


def text(words: str) -> dict:
    return {"type": "text", "text": words}


def image(data: bytes, claimed: str = "image/png") -> dict:
    return {"type": "image", "data": base64.b64encode(data).decode(), "mimeType": claimed}


def blob(data: bytes, claimed: str) -> dict:
    content = {"uri": "demo://x", "mimeType": claimed, "blob": base64.b64encode(data).decode()}
    return {"type": "resource", "resource": content}


def test_one_text_is_told_as_text():
    assert told(result(text("hi"))) == "hi"


def test_an_empty_result_is_an_empty_text():
    assert told(result()) == ""


def test_of_structured_content_and_its_text_only_the_structure_is_told():
    assert told(result(text('{"a":1}'), structured={"a": 1})) == {"a": 1}


def test_an_image_beside_structured_content_is_told_too():
    output = told(result(text("{}"), image(png()), structured={"a": 1}))
    assert [type(part) for part in output.parts] == [JsonPart, ImagePart]


def test_structure_that_is_too_deep_is_told_as_text():
    deep: object = 1
    for _ in range(100):
        deep = [deep]
    assert told(result(text("deep"), structured={"a": deep})) == "deep"


def test_the_type_of_an_image_is_read_from_its_bytes():
    (part,) = told(result(image(png(), "image/jpeg"))).parts
    assert part.media_type == "image/png"


@pytest.mark.parametrize("data", [b"<svg/>", b"BM123", b"", b"\x89PNG"])
def test_an_image_of_another_type_becomes_a_note(data):
    assert "was left out: it is not PNG, JPEG, GIF or WebP" in told(result(image(data)))


def test_images_beyond_the_bound_become_notes():
    large = image(png() + bytes(2_500_000))
    output = told(result(large, large))
    assert [type(part) for part in output.parts] == [ImagePart, TextPart]
    assert "too large" in output.parts[1].text


def test_audio_becomes_a_note():
    audio = {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}
    assert (
        told(result(audio))
        == "[Audio of type audio/wav and 3 bytes was left out: it cannot be shown.]"
    )


def test_a_link_is_told_with_its_address():
    link = {"type": "resource_link", "name": "report", "uri": "file:///r.pdf"}
    assert told(result(link)) == "[Resource: report, file:///r.pdf]"


def test_a_resource_in_the_result_is_told_with_its_text():
    resource = {"type": "resource", "resource": {"uri": "demo://x", "text": "words"}}
    assert told(result(resource)) == "[Resource: demo://x]\nwords"


def test_a_resource_that_is_text_in_bytes_is_told_as_text():
    assert told(result(blob(b"words", "text/plain"))) == "[Resource: demo://x]\nwords"


def test_a_resource_that_is_an_image_is_shown():
    (part,) = told(result(blob(png(), "application/octet-stream"))).parts
    assert isinstance(part, ImagePart)


def test_other_bytes_become_a_note():
    assert "application/pdf and 4 bytes was left out" in told(
        result(blob(b"%PDF", "application/pdf"))
    )


def test_texts_are_bounded_together():
    output = told(result(*(text("x" * 30_000) for _ in range(10))))
    assert isinstance(output, ToolOutput)
    assert len(orjson.dumps(output.model_dump())) < MAX_TEXT_BYTES + 10_000
    assert "More text was left out" in output.parts[-1].text


def test_blocks_are_bounded():
    output = told(result(*(text("x") for _ in range(1000))))
    assert len(output.parts) == 65
    assert output.parts[-1].text == "[936 more blocks were left out.]"


def test_a_failure_is_told_in_the_servers_words():
    with pytest.raises(ToolError, match=r"^no\nstock$"):
        told(result(text("no"), text("stock"), is_error=True))


def test_a_failure_without_words_says_so():
    with pytest.raises(ToolError, match="did not say why"):
        told(result(is_error=True))
