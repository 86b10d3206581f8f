"""What is read of PDFs, however they are meant."""

from io import BytesIO

import pytest
from pypdf import PdfReader, PdfWriter

from everruns.tools import pdf
from everruns.tools.pdf import MAX_PDF_TEXT_BYTES, Pdf, PdfError, read_pdf
from tests.pdfs import pdf as pdf_of


def locked(password: str) -> bytes:
    writer = PdfWriter()
    writer.append(PdfReader(BytesIO(pdf_of("A secret"))))
    writer.encrypt(password, "owner", algorithm="AES-256")
    file = BytesIO()
    writer.write(file)
    return file.getvalue()


async def test_the_text_of_all_pages_is_read():
    assert await read_pdf(pdf_of("First", "Second")) == Pdf(2, "First\n\nSecond")


async def test_a_page_without_text_has_none():
    assert await read_pdf(pdf_of("")) == Pdf(1, "")


async def test_a_pdf_that_everybody_may_open_is_read():
    assert await read_pdf(locked("")) == Pdf(1, "A secret")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (locked("secret"), "is protected by a password"),
        (b"%PDF-1.7\nnothing of the kind", "is not a PDF that can be read"),
        (pdf_of("Hello")[:200], "is not a PDF that can be read"),
    ],
)
async def test_a_pdf_that_cannot_be_read_is_refused(content: bytes, reason: str):
    with pytest.raises(PdfError, match=reason):
        await read_pdf(content)


async def test_long_text_is_cut():
    found = await read_pdf(pdf_of(*["x" * 100_000] * 4))

    assert found.pages == 4
    assert MAX_PDF_TEXT_BYTES - 10 < len(found.text) <= MAX_PDF_TEXT_BYTES


async def test_a_pdf_that_keeps_the_reader_busy_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pdf, "READ_TIMEOUT_S", 0.01)

    with pytest.raises(PdfError, match="takes too long"):
        await read_pdf(pdf_of(*["x" * 50_000] * 200))
