"""The command ``everruns chat``."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from everruns.commands.finding import DataDirOption, KeyFileOption, ServerOption
from everruns.commands.output import Output, OutputOption
from everruns.commands.server import Server, with_server
from everruns.errors import InvalidRequest
from everruns.process_environment import get_environment

STDIN = "-"
MAX_MESSAGE_BYTES = 1024 * 1024


def chat(
    agent: Annotated[
        str | None,
        typer.Argument(help="Name or id of the agent. Without it: the only one, or you choose."),
    ] = None,
    session: Annotated[
        str | None, typer.Option(help="Id of a session that goes on; by default one begins.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model that answers, if not that of the agent.")
    ] = None,
    message: Annotated[
        str | None,
        typer.Option(
            "--message", "-m", help="Send this, print the answer and exit; - reads standard input."
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
    key_file: KeyFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Talk with an agent of a running server.

    What you type while the agent works is read at its next step. Calls that need your approval and
    questions are answered in place. Ctrl-C stops the turn, Ctrl-D leaves; the conversation stays,
    and --session continues it. In a pipe it reads one message and prints the answer.
    """
    if agent is not None and session is not None:
        raise InvalidRequest("Name an agent or --session: a session keeps its agent.")
    if message is None and not sys.stdin.isatty():
        message = STDIN
    text = None if message is None else _message(message)
    if text is None:
        _check_terminal(output)

    # They take long to import, and no other command needs them.
    from everruns.commands.chat.interactive import InteractiveChat  # noqa: PLC0415
    from everruns.commands.chat.one_shot import send_and_print  # noqa: PLC0415
    from everruns.commands.chat.starting import find_start  # noqa: PLC0415

    async def talk(api: Server) -> None:
        start = await find_start(api, agent, session, may_ask=text is None)
        if text is not None:
            await send_and_print(api, start.agent_id, start.session_id, model, text, output)
        else:
            chat = InteractiveChat(api, start, model)
            await chat.run(_again(server, key_file, data_dir))

    with_server(talk, server, key_file, data_dir)


def _message(given: str) -> str:
    text = given
    if given == STDIN:
        # One more, so that the server says that it is too long.
        text = sys.stdin.buffer.read(MAX_MESSAGE_BYTES + 1).decode(errors="replace").rstrip("\n")
    if not text.strip():
        raise InvalidRequest("The message is empty. Pass it to --message, or pipe it in.")
    return text


def _again(server: str | None, key_file: Path | None, data_dir: Path | None) -> str:
    """Return the command, with the options by which it has found its server."""
    options = {"--server": server, "--key-file": key_file, "--data-dir": data_dir}
    given = [word for name, value in options.items() if value for word in (name, str(value))]
    return shlex.join(["everruns", "chat", *given])


def _check_terminal(output: Output) -> None:
    if output is not Output.TABLE:
        raise InvalidRequest("-o json goes with --message.")
    if not sys.stdout.isatty() or get_environment("TERM") in {None, "dumb"}:
        raise InvalidRequest(
            "A conversation needs a terminal that can move its cursor. Use --message TEXT."
        )
