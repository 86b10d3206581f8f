"""The API in the process that serves it."""

from functools import partial
from typing import Any

import ray
from fastapi import FastAPI

from actors.metrics import export_metrics
from actors.processes import collect_rarely
from actors.runtime import RayRuntime
from actors.serving.connections import bound_connections
from everruns.api.app import create_app
from everruns.api.http.request_records import refresh_meters
from everruns.capabilities.registry import load_capabilities
from everruns.log import configure_log
from everruns.settings_loading import load_settings
from everruns.telemetry.meters import Meters


def build_api(settings: dict[str, Any], name: str) -> FastAPI:
    """Put the API together, and make this process ready to serve it with uvicorn.

    Args:
        settings: The deployment's settings, without secrets.
        name: What the log calls this process.

    Raises:
        EverrunsError: A setting is invalid in this process.
    """
    own = load_settings(**settings)
    configure_log(own.log_level, actor=name, node=ray.get_runtime_context().get_node_id())
    meters = Meters()
    application = create_app(RayRuntime(settings), own, load_capabilities(), meters)
    refresh = partial(refresh_meters, application)
    application.state.exporting = export_metrics(meters, "API replica", refresh)
    bound_connections()
    collect_rarely()
    return application
