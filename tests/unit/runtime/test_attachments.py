"""Reading the files of a message, when there is more to do than can be done."""

import pytest

from everruns.domain.files import File
from everruns.domain.parts import FileToAttach
from everruns.errors import InvalidFile, Overloaded
from everruns.runtime import attachments
from everruns.runtime.attachments import attached
from everruns.tools import child_processes
from everruns.tools.base import Files
from tests.odd_images import PIXEL, png
from tests.pdfs import pdf


class Workspace(Files):
    """Files by path."""

    def __init__(self, **contents: bytes) -> None:
        self._contents = contents

    async def read(self, path: str) -> File | None:
        content = self._contents.get(path)
        if content is None:
            return None
        return File(path, False, False, "base64", len(content), "", "", content)


def named(path: str) -> FileToAttach:
    return FileToAttach(path=path)


async def test_pdfs_that_take_too_long_together_are_to_be_sent_again(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(attachments, "TIMEOUT_S", 0.01)

    with pytest.raises(Overloaded, match="took too long"):
        await attached([named("a")], Workspace(a=pdf(*["x" * 50_000] * 100)))


async def test_while_too_many_pdfs_are_read_others_wait(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(child_processes, "MAX_WAITING", 0)

    with pytest.raises(Overloaded, match="Too many PDFs"):
        await attached([named("a")], Workspace(a=pdf("Hello")))


async def test_an_image_sent_as_a_file_is_refused_with_advice():
    with pytest.raises(InvalidFile, match="a part of type image"):
        await attached([named("a")], Workspace(a=png()))


async def test_images_and_pdfs_have_one_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(attachments, "MAX_IMAGES_BYTES", len(PIXEL) + 10)

    with pytest.raises(InvalidFile, match=r"content\.1: images and PDFs"):
        await attached(
            [attachments.ImageToAttach(path="image"), named("a")],
            Workspace(image=png(), a=pdf("Hello")),
        )


async def test_a_name_that_no_header_could_hold_is_made_readable():
    (part,) = await attached([named("/in/a\nb.txt")], Workspace(**{"/in/a\nb.txt": b"hi"}))

    assert (part.filename, part.path) == ("a?b.txt", "/in/a\nb.txt")


async def test_a_mark_of_the_byte_order_is_no_text():
    (part,) = await attached([named("a")], Workspace(a=b"\xef\xbb\xbfhi"))

    assert part.text == "hi"
