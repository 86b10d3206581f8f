"""``everruns serve``: a server in the foreground, with what it does while it starts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from everruns.commands.dashboard import command_of
from everruns.commands.finding import DataDirOption
from everruns.commands.output import err, out
from everruns.commands.phases import Phases
from everruns.settings import Settings
from everruns.settings_loading import check_variables, load_settings

if TYPE_CHECKING:
    from actors.serving.place import Place

ConfigOption = Annotated[
    Path | None,
    typer.Option(help="TOML file with settings.", exists=True, dir_okay=False),
]


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. (default: 127.0.0.1)")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; 0 takes a free one. (default: 9300)")
    ] = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    auth: Annotated[
        str | None,
        typer.Option(help="How requests authenticate: none or api_keys. (default: none)"),
    ] = None,
    allow_open_network: Annotated[
        bool | None,
        typer.Option(
            "--allow-open-network", help="Accept auth=none on an address that others can reach."
        ),
    ] = None,
    replicas: Annotated[int | None, typer.Option(help="API replicas. (default: 1)")] = None,
    ray_address: Annotated[
        str | None, typer.Option(help="Ray cluster to join. Default: start one.")
    ] = None,
    dashboard: Annotated[
        bool | None,
        typer.Option(
            help="Start the Ray dashboard with the server, on loopback, or not at all. "
            "(default: everruns dashboard starts it)"
        ),
    ] = None,
) -> None:
    """Start or join Ray, deploy the API and run until Ctrl-C.

    Every setting can also come from an EVERRUNS_* environment variable or the config file;
    `everruns config` shows them all.
    """
    settings = load_settings(
        config,
        host=host,
        port=port,
        data_dir=data_dir,
        auth=auth,
        allow_open_network=allow_open_network,
        replicas=replicas,
        ray_address=ray_address,
        dashboard=dashboard,
    )
    check_variables()
    settings.check_exposure()
    settings.check_serving()
    from actors.clusters.environment import prepare_environment  # noqa: PLC0415

    # Ray reads its environment when it is imported.
    prepare_environment(settings)
    from actors.serving.place import Place  # noqa: PLC0415
    from actors.serving.server import run_server  # noqa: PLC0415

    with Phases(err) as phases:

        def ready(place: Place) -> None:
            phases.end()
            _welcome(settings, place, phases.seconds)

        run_server(settings, phases.begin, ready)


def _welcome(settings: Settings, place: "Place", seconds: float) -> None:
    lines = [f"[bold green]Everruns is ready[/] at [bold]{place.address}[/] after {seconds:.1f} s"]
    if settings.console:
        from everruns.api.console import is_built  # noqa: PLC0415

        how = "open it in a browser" if is_built() else "not built; run: make console"
        lines.append(f"  Console        {place.address}/ ({how})")
    if settings.docs:
        lines.append(f"  API reference  {place.address}/swagger-ui/")
    if place.dashboard:
        token = escape(command_of("token", settings))
        lines.append(f"  Ray dashboard  {place.dashboard} (token: {token})")
    elif settings.dashboard == "on_demand" and settings.ray_address is None:
        lines.append(f"  Ray dashboard  {escape(command_of('dashboard', settings))}")
    lines += [
        f"  Data           {escape(str(settings.data_dir))}",
        f"  Logs           {escape(place.logs)}",
        *(f"  Note           {escape(note)}" for note in place.notes),
        "  Stop with Ctrl-C",
    ]
    for line in lines:
        out.print(line, highlight=False, soft_wrap=True)
