"""``python -m bench.model``: a fake model server, as cheap as can be, that prints its address.

It speaks the OpenAI Chat Completions wire over HTTP/1.1 with connections that are kept. What it
answers stands in the model's name, see ``bench.reply``. Raw asyncio, since a framework would cost
more than some of the servers that are measured with it.

Source of the wire: https://platform.openai.com/docs/api-reference/chat.
"""

import argparse
import asyncio
import re
from collections.abc import Iterator
from itertools import chain, count
from typing import Any, cast

import orjson
import uvloop

from bench.reply import Answer, parse_model_name

LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)
MAX_REQUEST_BYTES = 16 * 1024 * 1024

STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
END = b"0\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client's connection; answers its requests one after another."""

    numbers = count(1)

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport. See ``asyncio.Protocol``."""
        # uvloop's transports are asyncio's by behaviour, not by class.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """End the answer under way. See ``asyncio.Protocol``."""
        self._transport = None
        if self._next:
            self._next.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer when a request is whole. See ``asyncio.Protocol``."""
        self._received += data
        head, separator, rest = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        found = LENGTH.search(head)
        length = int(found[1]) if found else 0
        if length > MAX_REQUEST_BYTES:
            self._answer_json(413, {"error": {"message": "The request is too long."}})
            self._close()
        elif len(rest) >= length:
            self._received = rest[length:]
            method, path, _ = head.split(b" ", 2)
            self._answer(method, path.decode(), rest[:length])

    def _answer(self, method: bytes, path: str, body: bytes) -> None:
        if method == b"GET" and path.endswith("/models"):
            self._answer_json(200, {"object": "list", "data": [{"id": "tokens-20"}]})
        elif method != b"POST" or not path.endswith("/chat/completions"):
            self._answer_json(404, {"error": {"message": f"There is nothing at {path}."}})
        else:
            self._complete(orjson.loads(body), len(body))

    def _complete(self, wanted: dict[str, Any], size: int) -> None:
        try:
            reply = parse_model_name(wanted["model"])
        except ValueError as error:
            self._answer_json(404, {"error": {"message": str(error)}})
            return
        answer = Answer(next(self.numbers), wanted["model"], reply, prompt_tokens=size // 4)
        if not wanted.get("stream"):
            whole = reply.wait_s + reply.streaming_s
            self._next = self._loop.call_later(whole, self._answer_json, 200, answer.whole())
            return
        self._write(STREAM)
        options: dict[str, Any] = wanted.get("stream_options") or {}
        usage: bool = options.get("include_usage", False)
        self._next = self._loop.call_later(
            reply.wait_s, self._begin, answer, answer.closing(usage=usage) + END
        )

    def _begin(self, answer: Answer, closing: bytes) -> None:
        rate = answer.reply.tokens_per_s
        if rate is None:
            self._write(b"".join((answer.opening(), *answer.tokens(), closing)))
            return
        self._write(answer.opening())
        begun = self._loop.time()
        due = (begun + place / rate for place in count(1))
        self._go_on(chain(answer.tokens(), [closing]), due)

    def _go_on(self, frames: Iterator[bytes], due: Iterator[float]) -> None:
        """Write the next frame and wait for the time of the one after it."""
        frame = next(frames, None)
        if frame is not None:
            self._write(frame)
            self._next = self._loop.call_at(next(due), self._go_on, frames, due)

    def _answer_json(self, status: int, value: object) -> None:
        body = orjson.dumps(value)
        head = (
            f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        self._write(head.encode() + body)

    def _write(self, data: bytes) -> None:
        if self._transport:
            self._transport.write(data)

    def _close(self) -> None:
        if self._transport:
            self._transport.close()


async def serve(port: int) -> None:
    """Listen on loopback and print the address, until the process is ended."""
    server = await asyncio.get_running_loop().create_server(
        Connection, "127.0.0.1", port, backlog=1024
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="python -m bench.model", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
