"""What can be typed in a conversation besides messages: words that begin with a slash."""

import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rich.text import Text

from everruns.commands.chat.lines import harmless_lines, in_one_line, note
from everruns.commands.event_lines import line_of
from everruns.errors import InvalidRequest

if TYPE_CHECKING:
    from everruns.commands.chat.interactive import InteractiveChat

EVENTS_SHOWN = 20
MODELS_SHOWN = 100


@dataclass(frozen=True)
class SlashCommand:
    """A command.

    Attributes:
        takes: What stands after its name, for the help.
        does: What it does, for the help.
        run: Runs it with what stood after its name.
    """

    takes: str
    does: str
    run: Callable[["InteractiveChat", str], Coroutine[Any, Any, None]]


def find_command(typed: str) -> tuple[SlashCommand, str] | None:
    """Return the command that was typed, and what stood after it; ``None`` for a message.

    Raises:
        InvalidRequest: No command has this name.
    """
    if not typed.startswith("/"):
        return None
    name, _, rest = typed[1:].partition(" ")
    command = COMMANDS.get(name.strip().lower())
    if command is None:
        raise InvalidRequest(
            f"There is no command /{in_one_line(name, 40)}. /help lists them; a message may begin"
            " with a slash after a blank."
        )
    return command, rest.strip()


async def _help(chat: "InteractiveChat", _rest: str) -> None:
    width = max(len(f"/{name} {command.takes}") for name, command in COMMANDS.items())
    chat.show(
        [
            Text.assemble((f"  /{name} {command.takes}".ljust(width + 4), "cyan"), command.does)
            for name, command in COMMANDS.items()
        ]
        + [
            note("Enter sends, also while the agent works; Alt-Enter begins a new line."),
            note("Ctrl-C stops the turn; Ctrl-D leaves."),
        ]
    )


async def _stop(chat: "InteractiveChat", _rest: str) -> None:
    await chat.conversation.stop()


async def _retry(chat: "InteractiveChat", _rest: str) -> None:
    await chat.conversation.retry()


async def _model(chat: "InteractiveChat", name: str) -> None:
    conversation = chat.conversation
    if name:
        await conversation.api.call("GET", f"/v1/models/{quote(name)}")
        conversation.model = name
        chat.show([note(f"{name} answers from now on.")])
        return
    models = await conversation.api.list("/v1/models", MODELS_SHOWN)
    for model in models["data"]:
        name = f"{model['provider_name']}/{model['model_id']}"
        chat.show([Text(f"  {in_one_line(name, 200)}")])
    chat.show([note(f"Now answers: {conversation.model or 'the model of the agent'}")])


async def _new(chat: "InteractiveChat", _rest: str) -> None:
    chat.begin_anew()


async def _events(chat: "InteractiveChat", _rest: str) -> None:
    for event in await chat.conversation.events(EVENTS_SHOWN):
        chat.show([Text(line_of(event), "dim", no_wrap=True, overflow="ellipsis")])


async def _files(chat: "InteractiveChat", _rest: str) -> None:
    files = await chat.conversation.files()
    if not files:
        chat.show([note("The session has no files.")])
    for file in files:
        chat.show([Text(f"  {file['size_bytes']:>10,}  {in_one_line(file['path'], 200)}")])


async def _reasoning(chat: "InteractiveChat", _rest: str) -> None:
    reasoning = chat.conversation.transcript.reasoning
    if not reasoning:
        raise InvalidRequest("The newest answer came without reasoning.")
    chat.show([Text(f"  {line}", "dim italic") for line in harmless_lines(reasoning)])


async def _say(chat: "InteractiveChat", text: str) -> None:
    if not text:
        raise InvalidRequest("/say TEXT: the text is missing.")
    await chat.say(text)


async def _decline(chat: "InteractiveChat", _rest: str) -> None:
    await chat.decline()


async def _result(chat: "InteractiveChat", given: str) -> None:
    try:
        result = json.loads(given)
    except ValueError:
        raise InvalidRequest(
            '/result JSON: must be JSON, for instance {"price": 3} or "a text".'
        ) from None
    await chat.conversation.give_result({"result": result})


async def _error(chat: "InteractiveChat", text: str) -> None:
    if not text:
        raise InvalidRequest("/error TEXT: the text is missing.")
    await chat.conversation.give_result({"error": text})


async def _quit(chat: "InteractiveChat", _rest: str) -> None:
    chat.leave()


COMMANDS: Mapping[str, SlashCommand] = {
    "help": SlashCommand("", "this list", _help),
    "stop": SlashCommand("", "stop the turn", _stop),
    "retry": SlashCommand("", "start the last turn again", _retry),
    "model": SlashCommand("[NAME]", "choose the model that answers, or list the models", _model),
    "new": SlashCommand("", "begin another conversation", _new),
    "reasoning": SlashCommand("", "show the reasoning of the newest answer", _reasoning),
    "events": SlashCommand("", f"show the newest {EVENTS_SHOWN} events", _events),
    "files": SlashCommand("", "list the session's files", _files),
    "say": SlashCommand("TEXT", "send a message instead of an answer", _say),
    "decline": SlashCommand("", "decline the questions, or reject the call", _decline),
    "result": SlashCommand("JSON", "give the result of a call that a client is to run", _result),
    "error": SlashCommand("TEXT", "give an error as its result", _error),
    "quit": SlashCommand("", "leave; the conversation stays", _quit),
}
