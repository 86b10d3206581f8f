"""Two machines, of which one falls silent: each is a network of its own on this machine.

Run as root in a network of its own (``unshare --net``), it prints as JSON after how many seconds
each call to the silent machine has failed. Without arguments it is the caller's machine.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable
from pathlib import Path

from actors.calls.direct import DirectConnection, DirectServer
from everruns.address import Address, Endpoint
from everruns.log import configure_log

CALLER, SERVER = "192.0.2.1", "192.0.2.2"
NOWHERE = "02:00:00:00:00:01"


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


def set_up(device: str, address: str) -> None:
    ip(f"address add {address}/24 dev {device}")
    ip(f"link set {device} up")


def fall_silent(device: str, towards: str) -> None:
    """Send all that goes to the other machine to nobody: no packet arrives, and none is refused."""
    ip(f"neighbour replace {towards} lladdr {NOWHERE} nud permanent dev {device}")


async def serve() -> None:
    """Be the machine that falls silent, at the caller's word."""

    async def respond(request: bytes) -> bytes:
        if request == b"wait":
            await asyncio.Event().wait()
        return request

    configure_log()
    print(flush=True)  # It has a network of its own now.
    await asyncio.to_thread(sys.stdin.readline)
    set_up("far", SERVER)
    address = await DirectServer(respond, "server", SERVER).address(on_network=True)
    assert address.endpoint is not None
    told = [address.secret.hex(), address.endpoint.port, address.endpoint.fingerprint.hex()]
    print(json.dumps(told), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    fall_silent("far", CALLER)
    print(flush=True)
    await asyncio.Event().wait()


async def call() -> dict[str, float]:
    """Be the machine of the caller."""
    server = await asyncio.create_subprocess_exec(
        *("unshare", "--net", sys.executable, __file__, "server"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        ip("link add near type veth peer name far")
        await server.stdout.readline()
        ip(f"link set far netns {server.pid}")
        set_up("near", CALLER)
        server.stdin.write(b"\n")
        secret, port, fingerprint = json.loads(await server.stdout.readline())
        endpoint = Endpoint(SERVER, port, bytes.fromhex(fingerprint))
        address = Address(Path("unused"), bytes.fromhex(secret), "server", endpoint)
        idle, busy = [await DirectConnection.connect(address, "caller") for _ in range(2)]
        assert await busy.call(b"hello") == b"hello"
        waits = asyncio.create_task(failed_after_s(idle.call(b"wait")))
        await asyncio.sleep(0.5)  # Until the request has arrived.
        server.stdin.write(b"\n")
        await server.stdout.readline()
        fall_silent("near", SERVER)
        return {
            "a call that is sent": await failed_after_s(busy.call(b"hello")),
            "a call that waits": await waits,
            "a new connection": await failed_after_s(DirectConnection.connect(address, "caller")),
        }
    finally:
        server.kill()
        await server.wait()


async def failed_after_s(calling: Awaitable[object]) -> float:
    began = time.monotonic()
    try:
        async with asyncio.timeout(60):
            await calling
    except OSError:
        return time.monotonic() - began
    raise AssertionError("It was answered.")


if __name__ == "__main__":
    if sys.argv[1:] == ["server"]:
        asyncio.run(serve())
    else:
        print(json.dumps(asyncio.run(call())))
