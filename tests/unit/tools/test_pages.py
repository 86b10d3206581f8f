"""What becomes of HTML, however it is meant."""

import pytest

from everruns.tools import pages
from everruns.tools.pages import PageError, convert

PAGE = b"""<html><head><title>T</title><style>p {}</style></head><body>
<h1>Title</h1><script>alert(1)</script>
<p>Some <b>bold</b> text and a <a href="/x">link</a>.</p></body></html>"""


async def test_markdown_keeps_structure_and_drops_what_nobody_reads():
    text = await convert(PAGE, None, "markdown")
    assert "# Title" in text
    assert "Some **bold** text and a [link](/x)." in text
    assert "alert" not in text
    assert "p {}" not in text


async def test_text_keeps_words_alone():
    text = await convert(PAGE, None, "text")
    assert "Title" in text
    assert "bold" in text
    assert "<" not in text
    assert "alert" not in text


@pytest.mark.parametrize(
    ("html", "charset"),
    [
        ("<p>Grüße</p>".encode(), "utf-8"),
        ("<p>Grüße</p>".encode("latin-1"), "iso-8859-1"),
        ('<meta charset="utf-8"><p>Grüße</p>'.encode(), None),
        ("<p>Grüße</p>".encode(), "no-such-charset"),
    ],
)
async def test_text_is_read_in_the_encoding_of_the_page(html, charset):
    assert "Grüße" in await convert(html, charset, "text")


async def test_page_that_keeps_the_parser_busy_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pages, "CONVERT_TIMEOUT_S", 0.5)
    with pytest.raises(PageError, match="too long"):
        await convert(b"<!--" * 200_000, None, "markdown")


async def test_page_nested_without_end_is_refused():
    with pytest.raises(PageError, match="deeply nested"):
        await convert(b"<div>" * 5000, None, "markdown")
