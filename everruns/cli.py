"""The command line: ``everruns serve`` and its companions."""

import sys
from errno import ENOSPC
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from everruns.commands.agents import agents
from everruns.commands.budgets import budgets
from everruns.commands.chat.command import chat
from everruns.commands.configuration import config
from everruns.commands.copies import backup, migrate
from everruns.commands.dashboard import dashboard, token
from everruns.commands.events import events
from everruns.commands.export import export
from everruns.commands.keys import keys
from everruns.commands.logs import logs
from everruns.commands.models import models, providers
from everruns.commands.output import err, print_in_any_encoding, print_line
from everruns.commands.serve import serve
from everruns.commands.sessions import sessions
from everruns.commands.sql import sql
from everruns.commands.status import status
from everruns.commands.traces import traces
from everruns.commands.usage import usage
from everruns.errors import EverrunsError
from everruns.log import configure_log

cli = typer.Typer(
    name="everruns",
    help="A durable runtime for AI agents behind a REST API, on a Ray cluster.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)

HERE = "On the server's machine"
ANYWHERE = "Of a running server"

cli.command(rich_help_panel=ANYWHERE)(chat)
cli.command(rich_help_panel=ANYWHERE)(status)
cli.command(rich_help_panel=ANYWHERE)(events)
cli.add_typer(sessions, name="sessions", rich_help_panel=ANYWHERE)
cli.add_typer(agents, name="agents", rich_help_panel=ANYWHERE)
cli.add_typer(providers, name="providers", rich_help_panel=ANYWHERE)
cli.command(rich_help_panel=ANYWHERE)(models)
cli.add_typer(budgets, name="budgets", rich_help_panel=ANYWHERE)
cli.add_typer(traces, name="traces", rich_help_panel=ANYWHERE)
cli.command(rich_help_panel=ANYWHERE)(usage)
cli.command(rich_help_panel=ANYWHERE)(sql)
cli.command(rich_help_panel=HERE)(serve)
cli.command(rich_help_panel=HERE)(config)
cli.command(rich_help_panel=HERE)(dashboard)
cli.command(rich_help_panel=HERE)(token)
cli.command(rich_help_panel=HERE)(logs)
cli.command(rich_help_panel=HERE)(backup)
cli.command(rich_help_panel=HERE)(migrate)
cli.command(rich_help_panel=HERE)(export)
cli.add_typer(keys, name="keys", rich_help_panel=HERE)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        show_version()
        raise typer.Exit


@cli.callback()
def _main(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


@cli.command("version", rich_help_panel=HERE)
def show_version() -> None:
    """Print the version."""
    print_line(version("everruns"))


def main() -> None:
    """Run the command line; errors that the user can fix are printed in one line."""
    configure_log()
    print_in_any_encoding()
    try:
        cli()
    except EverrunsError as error:
        _fail(error.message)
    except OSError as error:
        if error.filename is None and error.errno != ENOSPC:
            raise
        _fail(f"{error.strerror}: {error.filename or 'the disk'}")


def _fail(message: str) -> NoReturn:
    err.print("[bold red]everruns:[/]", escape(message), highlight=False, soft_wrap=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
