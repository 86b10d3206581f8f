"""A wire with a delay: what comes in goes out some time later, in order and as often as it came."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 10.0
PIECE_BYTES = 64 * 1024
MAX_PIECES = 256

Piece = tuple[float, bytes]


class SlowWire:
    """Listens on a port and passes connections on to a Unix socket, both ways with a delay.

    Lives in a thread of its own, since those who use it may block theirs.

    Args:
        socket: Where the server listens.
        delay_s: Seconds that each way takes.

    Attributes:
        delay_s: The same; it can be changed.
        port: Where it listens, on loopback.
    """

    def __init__(self, socket: Path, delay_s: float = 0.0) -> None:
        self.port = 0
        self._socket = socket
        self.delay_s = delay_s
        self._stopping = asyncio.Event()

    @contextmanager
    def carrying(self) -> "Iterator[SlowWire]":
        """Carry connections until the block ends."""
        ready = threading.Event()
        loop = asyncio.new_event_loop()
        thread = threading.Thread(
            target=loop.run_until_complete, args=[self._serve(ready)], daemon=True
        )
        thread.start()
        if not ready.wait(START_TIMEOUT_S):
            raise RuntimeError("The wire was not laid.")
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(self._stopping.set)
            thread.join(START_TIMEOUT_S)
            loop.close()

    async def _serve(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stopping.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in others:
            connection.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(
        self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        try:
            from_server, to_server = await asyncio.open_unix_connection(self._socket)
        except OSError:  # The server is away; its client is told by the end of the connection.
            to_client.close()
            return
        try:
            async with asyncio.TaskGroup() as ways:
                for source, target in ((from_client, to_server), (from_server, to_client)):
                    # Full when a target reads nothing: then its source is not read either.
                    under_way: asyncio.Queue[Piece] = asyncio.Queue(MAX_PIECES)
                    ways.create_task(self._take_in(source, under_way))
                    ways.create_task(self._hand_out(under_way, target))
        except* ConnectionError:
            pass  # Either end may break off; then the other one is told.
        finally:
            to_server.close()
            to_client.close()

    async def _take_in(
        self, source: asyncio.StreamReader, under_way: "asyncio.Queue[Piece]"
    ) -> None:
        loop = asyncio.get_running_loop()
        piece = None
        while piece != b"":
            piece = await source.read(PIECE_BYTES)
            await under_way.put((loop.time() + self.delay_s, piece))

    async def _hand_out(
        self, under_way: "asyncio.Queue[Piece]", target: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, piece = await under_way.get()
            await asyncio.sleep(due - loop.time())
            if not piece:
                raise ConnectionResetError
            target.write(piece)
            await target.drain()
