"""``everruns dashboard`` and ``everruns token``: Ray's dashboard of the server on this machine."""

import shlex
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from everruns.commands.finding import DataDirOption
from everruns.commands.output import err, print_line
from everruns.errors import InvalidRequest, Unavailable
from everruns.settings import Settings
from everruns.settings_loading import load_settings

if TYPE_CHECKING:
    from actors.clusters.dashboard import Dashboard


def dashboard(
    data_dir: DataDirOption = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port; if 0 or taken, a free one is used. (default: 8265)"
        ),
    ] = None,
) -> None:
    """Start Ray's dashboard for the running server, until Ctrl-C."""
    settings = load_settings(data_dir=data_dir, dashboard_port=port)
    from actors.clusters.environment import prepare_dashboard_environment  # noqa: PLC0415

    # Ray reads its environment when it is imported.
    prepare_dashboard_environment(settings)
    from actors.clusters.dashboard import running_dashboard  # noqa: PLC0415

    # A terminal that is closed ends it as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    status = err.status("Starting Ray's dashboard")
    status.start()
    try:
        with running_dashboard(settings, settings.dashboard_port) as running:
            status.stop()
            _show(settings, running)
            running.wait()
    except KeyboardInterrupt:
        return
    finally:
        status.stop()
    raise Unavailable(
        "The dashboard has ended: the server has stopped, or the dashboard was killed."
    )


def _show(settings: Settings, running: "Dashboard") -> None:
    for line in (
        f"Ray's dashboard is at {running.url}",
        f"  Token  {command_of('token', settings)}",
        "  Stop with Ctrl-C",
    ):
        print_line(line)


def token(data_dir: DataDirOption = None) -> None:
    """Print the login token of the Ray dashboard."""
    from actors.clusters.credentials import read_token  # noqa: PLC0415

    settings = load_settings(data_dir=data_dir)
    found = read_token(settings.data_dir)
    if found is None:
        raise InvalidRequest(f"No server has been started on {settings.data_dir} yet.")
    print_line(found)


def command_of(name: str, settings: Settings) -> str:
    """Return a whole command for this server's data directory, as a shell takes it."""
    if settings.data_dir == Settings.model_fields["data_dir"].default:
        return f"everruns {name}"
    return f"everruns {name} --data-dir {shlex.quote(str(settings.data_dir))}"
