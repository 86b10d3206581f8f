"""The page of the command line names every command."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from everruns.cli import cli

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()


def commands(command: Any, name: str) -> Iterator[str]:
    """Yield the words of each command below one."""
    if not hasattr(command, "commands"):
        yield name
        return
    for word, below in command.commands.items():
        yield from commands(below, f"{name} {word}")


def test_every_command_has_a_row_on_the_page():
    named = list(commands(typer.main.get_command(cli), "everruns"))

    assert len(named) > 15
    assert [name for name in named if f"`{name}" not in PAGE] == []


def test_every_command_says_what_it_does():
    for command in vars(typer.main.get_command(cli))["commands"].values():
        assert (command.help or "").strip()


def options(command: Any) -> Iterator[Any]:
    """Yield the options of a command and of those below it."""
    yield from command.params
    for below in getattr(command, "commands", {}).values():
        yield from options(below)


def test_help_has_no_markup_that_the_terminal_would_swallow():
    helps = [option.help or "" for option in options(typer.main.get_command(cli))]

    assert len(helps) > 50
    assert [text for text in helps if re.search(r"\[[a-z]", text)] == []
