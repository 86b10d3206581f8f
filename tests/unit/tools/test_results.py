"""What a tool returned becomes what the log can store, and what a model can read."""

import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from everruns.domain.parts import (
    MAX_IMAGES_BYTES,
    MAX_OUTPUT_IMAGES,
    FilePart,
    ImagePart,
    JsonPart,
    ResultPart,
    TextPart,
    ToolOutput,
)
from everruns.tools.base import ToolError
from everruns.tools.results import MAX_RESULT_BYTES, cut_text, plain_json, stored_result
from tests.odd_images import IMAGES, image, png


def stored(*parts: ResultPart) -> list[ResultPart]:
    """The parts that are stored of a tool's output."""
    return stored_result("call_1", ToolOutput(parts=list(parts))).parts or []


def text_of(part: ResultPart) -> str:
    assert isinstance(part, TextPart)
    return part.text


class Reply(BaseModel):
    count: int


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (2**63, 2**63),
        (2**70, float(2**70)),
        ({"n": [-(2**70)]}, {"n": [float(-(2**70))]}),
        (10**400, "about 2^1329"),
        (True, True),
        ((1, 2), [1, 2]),
        ({1: "a"}, {"1": "a"}),
        ("\ud800", "?"),
        (math.nan, None),
        (Reply(count=1), {"count": 1}),
        (None, None),
    ],
)
def test_result_is_stored_as_the_nearest_json(value, stored):
    assert plain_json(value) == stored


def test_endless_result_is_refused():
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ToolError):
        plain_json(endless)


@pytest.mark.parametrize(
    "value",
    [
        "x" * 100_000,
        {"path": "/a", "content": "ä\n" * 50_000},
        {"a": "x" * 50_000, "b": "y" * 50_000},
        [{"n": n} for n in range(20_000)],
        {"path": "x" * 10, "content": "\u0000" * 50_000},
    ],
)
def test_result_over_the_limit_is_cut_with_a_note(value):
    result = plain_json(value)
    body = orjson.dumps(result)
    assert len(body) <= MAX_RESULT_BYTES
    assert len(body) > MAX_RESULT_BYTES - 100
    assert "[Cut: the whole text has " in body.decode()


def test_cut_result_keeps_its_shape_where_one_text_is_the_cause():
    result = plain_json({"path": "/a", "content": "x" * 100_000})
    assert result["path"] == "/a"
    assert result["content"].endswith("[Cut: the whole text has 100000 characters.]")


@given(st.text(min_size=1), st.integers(100, 300))
def test_cut_text_always_fits_and_begins_like_the_whole(stretch, limit):
    text = stretch * (400 // len(stretch) + 1)
    cut = cut_text(text, limit)
    assert len(orjson.dumps(cut)) <= limit
    head, _, _ = cut.partition("\n[Cut: the whole")
    assert text.startswith(head)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_every_json_like_value_can_be_stored(value):
    orjson.dumps(plain_json(value))


@pytest.mark.parametrize("part", [TextPart(text="21"), JsonPart(value="21")])
def test_output_of_one_value_is_that_value(part: ResultPart):
    result = stored_result("call_1", ToolOutput(parts=[part]))

    assert (result.result, result.parts) == ("21", None)


def test_output_keeps_its_parts_in_their_order():
    parts = [
        TextPart(text="A chart:"),
        IMAGES["a PNG"],
        JsonPart(value={"rows": 3}),
        FilePart(path="/chart.csv", media_type="text/csv", size_bytes=12),
    ]

    assert stored(*parts) == parts


def test_an_image_is_stored_under_the_type_that_its_bytes_have():
    assert stored(IMAGES["PNG as JPEG"]) == [IMAGES["a PNG"]]


@pytest.mark.parametrize("name", ["an SVG as PNG", "one byte", "base64 that ends nowhere"])
def test_an_image_that_is_none_is_a_note(name: str):
    (note,) = stored(IMAGES[name])

    assert "its content is not that of an image/png" in text_of(note)


def test_of_too_many_images_the_first_are_stored():
    parts = stored(*[IMAGES["a PNG"]] * (MAX_OUTPUT_IMAGES + 2))

    assert parts[:MAX_OUTPUT_IMAGES] == [IMAGES["a PNG"]] * MAX_OUTPUT_IMAGES
    assert all("was left out" in text_of(part) for part in parts[MAX_OUTPUT_IMAGES:])


def test_images_have_a_limit_together():
    large = image(png(size=MAX_IMAGES_BYTES // 4 * 3 // 2))

    first, second, small = stored(large, large, IMAGES["a PNG"])

    assert first == large
    assert "was left out" in text_of(second)
    assert small == IMAGES["a PNG"]


def test_texts_and_values_have_one_limit_together():
    rows = list(range(10_000))

    first, second, cut, note = stored(
        TextPart(text="x" * 40_000), IMAGES["a PNG"], JsonPart(value=rows), TextPart(text="y")
    )

    assert text_of(first) == "x" * 40_000
    assert second == IMAGES["a PNG"]
    assert isinstance(cut, JsonPart)
    assert "[Cut: the whole text has " in cut.value
    assert text_of(note) == "[Cut: 1 more parts were left out.]"


PARTS = st.one_of(
    st.builds(TextPart, text=st.text(max_size=5).map(lambda text: text * 8000)),
    st.builds(JsonPart, value=st.lists(st.text(max_size=5).map(lambda text: text * 4000))),
    st.builds(FilePart, path=st.text(max_size=9)),
    st.sampled_from([part for part in IMAGES.values() if len(part.base64 or "") < 300_000]),
)


@given(st.lists(PARTS, max_size=130))
def test_whatever_a_tool_returns_is_bounded(parts: list[Any]):
    result = stored_result("call_1", ToolOutput(parts=parts))

    images = [part for part in result.parts or () if isinstance(part, ImagePart)]
    others = [part.wire() for part in result.parts or () if not isinstance(part, ImagePart)]
    assert len(images) <= MAX_OUTPUT_IMAGES
    assert sum(len(part.base64 or "") for part in images) <= MAX_IMAGES_BYTES
    # The rest is the parts' own form, and notes.
    assert len(orjson.dumps(others)) <= MAX_RESULT_BYTES + 101 * 256
