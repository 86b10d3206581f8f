"""An image's type and size are read from its bytes."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.domain.images import Image, read_image, whole_base64
from tests.odd_images import gif, jpeg, png, webp

SIDES = st.integers(1, 16_000)


def read(content: bytes) -> Image | None:
    return read_image(b64encode(content).decode())


@given(width=SIDES, height=SIDES, profile=st.sampled_from([0, 1, 100, 200_000]))
def test_type_and_size_are_read_from_the_bytes(width: int, height: int, profile: int):
    assert read(png(width, height)) == Image("image/png", width, height)
    assert read(gif(width, height)) == Image("image/gif", width, height)
    assert read(jpeg(width, height, profile)) == Image("image/jpeg", width, height)
    for kind in (b"VP8X", b"VP8L", b"VP8 "):
        assert read(webp(kind, width, height)) == Image("image/webp", width, height)


@given(whole=st.sampled_from([png(), gif(), jpeg(profile=10), webp()]), end=st.integers(0, 40))
def test_an_image_that_was_cut_off_is_read_or_not_an_image(whole: bytes, end: int):
    assert read(whole[:end]) in {None, read(whole)}


@given(content=st.binary(max_size=100))
def test_other_bytes_are_no_image(content: bytes):
    assert read(b"%PDF" + content) is None


@pytest.mark.parametrize(
    ("text", "whole"),
    [("", ""), ("QQ", "QQ=="), ("QQ==", "QQ=="), ("QUI", "QUI="), ("QUJD", "QUJD"), ("Q", None)],
)
def test_missing_padding_is_added(text: str, whole: str | None):
    assert whole_base64(text) == whole
