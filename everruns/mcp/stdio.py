"""Servers that are programs on this machine, spoken to over their standard input and output.

Only the deployment's configuration names such programs: whoever names one runs it. A program gets a
process group of its own, which ends with the connection, whatever it has started.

Source: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports#stdio
"""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, cast

import anyio
import structlog
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from everruns.domain.base import KIB
from everruns.domain.mcp_servers import McpAccount
from everruns.mcp.messages import Pace, Streams
from everruns.mcp.wire import MAX_MESSAGE_BYTES

EXIT_TIMEOUT_S = 2.0
EXIT_POLL_S = 0.25
# Many programs print a greeting before they speak the protocol.
MAX_FOREIGN_LINES = 1_000
MAX_LOGGED_LINES = 200
MAX_LOGGED_CHARACTERS = 500
MAX_LINE_BYTES = 64 * KIB
TOO_LONG = f"[a line of more than {MAX_LINE_BYTES // KIB} KiB]"

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@asynccontextmanager
async def program_streams(
    account: McpAccount, masked: Callable[[str], str]
) -> AsyncGenerator[Streams]:
    """Run a server's program while the context is open.

    Args:
        account: The server; its environment is added to a few harmless variables of ours.
        masked: Removes secrets from what the program logs.

    Raises:
        OSError: The program cannot be started.
    """
    environment = {name: value.get_secret_value() for name, value in account.environment.items()}
    process = await asyncio.create_subprocess_exec(
        *account.command,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        limit=MAX_MESSAGE_BYTES,
        env=get_default_environment() | environment,
        start_new_session=True,
    )
    received, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, sent = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read, process, received, account.name)
            tasks.start_soon(_write, process, sent, received)
            tasks.start_soon(_watch, process, received)
            tasks.start_soon(_log, process, account.name, masked)
            try:
                yield incoming, outgoing
            finally:
                incoming.close()
                outgoing.close()
                with anyio.CancelScope(shield=True):
                    await _end(process)
                tasks.cancel_scope.cancel()
    finally:
        # Whatever happens above, nothing of the group outlives the connection.
        _signal(process, signal.SIGKILL)
        with anyio.CancelScope(shield=True):
            await _drain(process)
        for stream in (received, incoming, outgoing, sent):
            stream.close()


async def _read(process: Process, received: Any, server: str) -> None:
    output = cast("asyncio.StreamReader", process.stdout)
    pace = Pace()
    foreign = 0
    with received, suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        while foreign < MAX_FOREIGN_LINES:
            await pace.keep()
            try:
                line = await output.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                log.warning("mcp server sent too long a message", server=server)
                return
            try:
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                log.debug("mcp server printed something that is not a message", server=server)
                foreign += 1
                continue
            foreign = 0
            await received.send(SessionMessage(message))
        log.warning("mcp server prints what are no messages", server=server, lines=foreign)


async def _write(process: Process, sent: Any, received: Any) -> None:
    entrance = cast("asyncio.StreamWriter", process.stdin)
    with sent:
        async for item in sent:
            body = item.message.model_dump_json(by_alias=True, exclude_unset=True)
            try:
                entrance.write(body.encode() + b"\n")
                await entrance.drain()
            except (OSError, RuntimeError):
                received.close()
                return


async def _watch(process: Process, received: Any) -> None:
    """End the stream of messages with the program, even if its children hold the pipe open."""
    while process.returncode is None:  # noqa: ASYNC110 - wait() would wait for the pipe, too
        await asyncio.sleep(EXIT_POLL_S)
    await asyncio.sleep(EXIT_POLL_S)
    received.close()


async def _log(process: Process, server: str, masked: Callable[[str], str]) -> None:
    """Log what the program writes to its standard error, up to a limit; drain the rest.

    At the level debug, which no other line with foreign words has: it may be about conversations.
    """
    errors = cast("asyncio.StreamReader", process.stderr)
    lines = 0
    async with aclosing(_texts(errors)) as texts:
        async for text in texts:
            # A secret may have several lines, so they are masked before they are told apart.
            for line in masked(text).splitlines() or [""]:
                if lines < MAX_LOGGED_LINES and line.strip():
                    log.debug("mcp server", server=server, says=line[:MAX_LOGGED_CHARACTERS])
                lines += 1
            if lines >= MAX_LOGGED_LINES:
                break
    while await errors.read(MAX_LINE_BYTES):
        pass


async def _texts(errors: asyncio.StreamReader) -> AsyncGenerator[str]:
    """Yield whole lines, since half of a secret would not be recognized; a note for long ones."""
    line = bytearray()
    is_long = False
    while chunk := await errors.read(MAX_LINE_BYTES):
        *whole, rest = chunk.split(b"\n")
        for end in whole:
            line += end
            is_long = is_long or len(line) > MAX_LINE_BYTES
            yield TOO_LONG if is_long else line.decode("utf-8", "replace")
            line, is_long = bytearray(), False
        line += rest
        if len(line) > MAX_LINE_BYTES:
            line, is_long = bytearray(), True
    if line or is_long:
        yield TOO_LONG if is_long else line.decode("utf-8", "replace")


async def _end(process: Process) -> None:
    """Let the program end by itself, as the protocol asks for, then end its group."""
    with suppress(OSError, RuntimeError):
        cast("asyncio.StreamWriter", process.stdin).close()
    if await _has_ended(process):
        return
    _signal(process, signal.SIGTERM)
    if not await _has_ended(process):
        _signal(process, signal.SIGKILL)
        await _has_ended(process)


async def _drain(process: Process) -> None:
    """Read what is left in the pipes, which closes them."""
    with suppress(TimeoutError):
        async with asyncio.timeout(EXIT_TIMEOUT_S):
            for pipe in (process.stdout, process.stderr):
                while await cast("asyncio.StreamReader", pipe).read(MAX_LINE_BYTES):
                    pass
            await process.wait()


async def _has_ended(process: Process) -> bool:
    # Not process.wait(), which also waits for pipes that the program's children hold.
    with suppress(TimeoutError):
        async with asyncio.timeout(EXIT_TIMEOUT_S):
            while process.returncode is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    return process.returncode is not None


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
