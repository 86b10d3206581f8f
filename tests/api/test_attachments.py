"""Images and files in messages, over HTTP and on both faces."""

from base64 import b64encode
from typing import Any

import httpx
import pytest

from tests.odd_images import PIXEL, png
from tests.pdfs import pdf

DOCUMENT = pdf("Hello")
ENCODED = b64encode(DOCUMENT).decode()
PDF_PART = {"type": "file", "base64": ENCODED, "media_type": "application/pdf"}


@pytest.fixture(params=["/v1", "/api/v1"])
def face(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def session(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.post("/v1/sessions", json={})).json()


async def upload(
    client: httpx.AsyncClient, session: dict[str, Any], path: str, content: bytes
) -> None:
    where = f"/v1/workspaces/{session['workspace_id']}/raw{path}"
    assert (await client.put(where, content=content)).status_code == 200


async def send(
    client: httpx.AsyncClient,
    session: dict[str, Any],
    *parts: Any,
    face: str = "/v1",
    **headers: str,
) -> httpx.Response:
    body = {"message": {"role": "user", "content": list(parts)}}
    return await client.post(
        f"{face}/sessions/{session['id']}/messages", json=body, headers=headers
    )


@pytest.mark.parametrize(
    ("path", "content", "stored"),
    [
        (
            "/in/a.pdf",
            DOCUMENT,
            {"media_type": "application/pdf", "base64": ENCODED, "text": "Hello", "pages": 1},
        ),
        (
            "/in/notes.txt",
            "Grüße".encode(),
            {"media_type": "text/plain", "text": "Grüße", "pages": 0},
        ),
    ],
)
async def test_a_file_of_the_workspace_is_kept_as_it_was_sent(
    client: httpx.AsyncClient, session: dict, face: str, path: str, content: bytes, stored: dict
):
    await upload(client, session, path, content)
    part = {"type": "file", "path": path}

    sent = await send(client, session, part, face=face, **{"Idempotency-Key": "once"})
    await client.delete(f"/v1/workspaces/{session['workspace_id']}/fs{path}")
    again = await send(client, session, part, face=face, **{"Idempotency-Key": "once"})

    assert sent.status_code == 201, sent.text
    name = path.rsplit("/", 1)[-1]
    file = {"type": "file", "path": path, "filename": name, "size_bytes": len(content), **stored}
    # The SDK knows no parts of type file.
    text = {"type": "text", "text": f"[{name}]\n{stored['text']}"}
    assert sent.json()["content"] == [file if face == "/v1" else text]
    # The file is gone, and the message is the same.
    assert again.json() == sent.json()
    listed = (await client.get(f"/v1/sessions/{session['id']}/messages")).json()["data"]
    assert listed[0]["content"] == [file]


async def test_an_image_of_the_workspace_has_the_type_of_its_bytes(
    client: httpx.AsyncClient, session: dict, face: str
):
    await upload(client, session, "/photo.jpg", png())

    sent = await send(client, session, {"type": "image", "path": "photo.jpg"}, face=face)

    assert sent.json()["content"] == [
        {"type": "image", "path": "/photo.jpg", "base64": PIXEL, "media_type": "image/png"}
    ]


async def test_a_file_may_come_with_the_message(client: httpx.AsyncClient, session: dict):
    sent = await send(client, session, {**PDF_PART, "filename": "invoice.pdf"})

    (part,) = sent.json()["content"]
    assert (part["filename"], part["text"], part["base64"]) == ("invoice.pdf", "Hello", ENCODED)
    assert "path" not in part


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "file"}, "either path or base64"),
        ({"type": "file", "path": "/a", "base64": "aGk="}, "either path or base64"),
        ({"type": "file", "base64": "aGk="}, "needs its media_type"),
        ({"type": "file", "path": "/nothing"}, "there is no file '/nothing'"),
        ({"type": "image", "path": "/nothing"}, "there is no file '/nothing'"),
        ({"type": "image", "path": "/data.bin"}, "is not a PNG, JPEG, GIF or WebP image"),
        ({"type": "image", "path": "/a.png", "url": "https://x.test/a.png"}, "url, base64 or path"),
        ({"type": "file", "path": "/data.bin"}, "neither text in UTF-8 nor a PDF"),
        ({"type": "file", "path": "/broken.pdf"}, "is not a PDF that can be read"),
        ({**PDF_PART, "filename": "a/b.pdf"}, "without slashes"),
    ],
)
async def test_what_no_model_can_be_shown_is_refused_in_words(
    client: httpx.AsyncClient, session: dict, part: dict, words: str
):
    await upload(client, session, "/data.bin", b"\x00\x01")
    await upload(client, session, "/broken.pdf", b"%PDF-1.7")

    refused = await send(client, session, part)

    assert refused.status_code == 400
    assert words in refused.json()["error"]["message"]
    assert (await client.get(f"/v1/sessions/{session['id']}/messages")).json()["data"] == []


async def test_a_message_has_few_pdfs(client: httpx.AsyncClient, session: dict):
    refused = await send(client, session, *[PDF_PART] * 6)

    assert refused.status_code == 400
    assert "content.5: a message may have at most 5 PDFs" in refused.text


async def test_texts_and_text_files_have_one_limit(client: httpx.AsyncClient, session: dict):
    await upload(client, session, "/long.txt", b"x" * 1_000_000)

    refused = await send(client, session, *[{"type": "file", "path": "/long.txt"}] * 2)

    assert refused.status_code == 400
    assert "content.1: texts and text files" in refused.text
