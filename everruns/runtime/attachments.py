"""Images and files of a message, read when it is sent.

The log keeps what was read, so that a model can be shown it for as long as the conversation lasts,
whatever becomes of the file in the workspace.

Source: docs/contract.md, "Resources", Message; docs/adr/0051-attachments.md.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Sequence

from everruns.domain.files import File
from everruns.domain.images import whole_base64
from everruns.domain.messages import MAX_TEXT_BYTES, InputPart, SentPart
from everruns.domain.parts import (
    MAX_IMAGES_BYTES,
    MAX_NAME_LENGTH,
    PDF,
    TEXT,
    AttachedFilePart,
    FileToAttach,
    ImagePart,
    ImageToAttach,
    TextPart,
)
from everruns.errors import InvalidFile, Overloaded
from everruns.tools.base import Files, ToolError
from everruns.tools.child_processes import ChildrenBusy
from everruns.tools.content import image_of
from everruns.tools.pdf import PdfError, read_pdf

MAX_PDFS = 5
# Less than a call of a session's host may take.
TIMEOUT_S = 10.0


async def attached(content: Sequence[InputPart], files: Files) -> list[SentPart]:
    """Return the parts of a message with the content of their images and files.

    Args:
        content: The parts, as they were sent.
        files: The files of the session's workspace.

    Raises:
        InvalidFile: A file does not exist, is of no type that a model can be shown, or all are
            too large together. The message names the part.
        Overloaded: They cannot be read in time.
    """
    reading = _Reading(files)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return [
                await reading.read(part, f"message.content.{at}") for at, part in enumerate(content)
            ]
    except TimeoutError:
        raise Overloaded(
            "The files of the message took too long to read. Send fewer in one message, or try "
            "again shortly.",
            None,
            1.0,
        ) from None
    except ChildrenBusy:
        raise Overloaded("Too many PDFs are being read. Try again shortly.", None, 1.0) from None


class _Reading:
    """Reads the parts of one message within its limits."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._base64_left = MAX_IMAGES_BYTES
        self._text_left = MAX_TEXT_BYTES
        self._pdfs_left = MAX_PDFS

    async def read(self, part: InputPart, where: str) -> SentPart:
        match part:
            case TextPart():
                self._take_text(part.text, where)
                return part
            case ImageToAttach(path=str(path)):
                return self._image(await self._workspace_file(path, where), where)
            case ImageToAttach():
                self._take_base64(part.base64 or "", where)
                return ImagePart(url=part.url, base64=part.base64, media_type=part.media_type)
            case FileToAttach(path=str(path)):
                file = await self._workspace_file(path, where)
                at = part.model_copy(update={"path": file.path})
                return await self._file(file.content, at, where)
            case FileToAttach():
                whole = whole_base64(part.base64 or "")
                if whole is None:
                    raise InvalidFile(f"{where}.base64: must be base64")
                return await self._file(b64decode(whole), part, where)

    async def _workspace_file(self, path: str, where: str) -> File:
        try:
            file = await self._files.read(path)
        except ToolError as refused:
            raise InvalidFile(f"{where}.path: {refused}") from None
        if file is None or file.is_directory:
            raise InvalidFile(
                f"{where}.path: there is no file {path!r} in the session's workspace. Upload it "
                "first: PUT /v1/workspaces/{id}/raw/{path}"
            )
        return file

    def _image(self, file: File, where: str) -> ImagePart:
        image = image_of(file)
        if image is None:
            raise InvalidFile(f"{where}.path: {file.path!r} is not a PNG, JPEG, GIF or WebP image")
        self._take_base64(image.base64 or "", where)
        return image

    async def _file(self, content: bytes, given: FileToAttach, where: str) -> AttachedFilePart:
        name = given.filename or _name_at(given.path or "/file")
        attached_file = AttachedFilePart(
            path=given.path, filename=name, media_type=TEXT, size_bytes=len(content), text=""
        )
        if content.startswith(b"%PDF-"):
            encoded = b64encode(content).decode()
            self._take_base64(encoded, where)
            if not self._pdfs_left:
                raise InvalidFile(f"{where}: a message may have at most {MAX_PDFS} PDFs")
            self._pdfs_left -= 1
            try:
                pdf = await read_pdf(content)
            except PdfError as error:
                raise InvalidFile(f"{where}: {name!r} {error}") from None
            read = {"media_type": PDF, "base64": encoded, "text": pdf.text, "pages": pdf.pages}
            return attached_file.model_copy(update=read)
        text = _text_of(content)
        if text is None:
            raise InvalidFile(
                f"{where}: {name!r} is neither text in UTF-8 nor a PDF. Send an image as a part of "
                "type image; leave other files in the workspace, where the agent's tools can read "
                "them"
            )
        self._take_text(text, where)
        return attached_file.model_copy(
            update={"media_type": given.text_type or TEXT, "text": text}
        )

    def _take_base64(self, encoded: str, where: str) -> None:
        self._base64_left -= len(encoded)
        if self._base64_left < 0:
            raise InvalidFile(
                f"{where}: images and PDFs must have at most {MAX_IMAGES_BYTES} bytes of base64 "
                "together"
            )

    def _take_text(self, text: str, where: str) -> None:
        self._text_left -= len(text.encode())
        if self._text_left < 0:
            raise InvalidFile(
                f"{where}: texts and text files must have at most {MAX_TEXT_BYTES} bytes of UTF-8 "
                "together"
            )


def _name_at(path: str) -> str:
    """Return the name of a file; names in a workspace may have characters that others may not."""
    name = path.rsplit("/", 1)[-1]
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:MAX_NAME_LENGTH]


def _text_of(content: bytes) -> str | None:
    """Return the text that a file is; ``None`` for other files."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
