"""Wiring: settings to runtime and HTTP API, as a Ray Serve application.

``everruns serve`` runs it; so do ``serve run config/serve.yaml`` and
``serve deploy config/serve.yaml`` on a cluster that is there already.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve import Application
from ray.serve.exceptions import RayServeException

from actors.serving.replica import listen_on_the_nodes_address_only, when_draining
from actors.serving.replicas import replica_options
from everruns.errors import InvalidRequest
from everruns.settings_loading import check_variables, load_settings

# Every open event stream counts as a request under way.
MAX_ONGOING_REQUESTS = 20_000
GRACEFUL_SHUTDOWN_S = 10.0
# How soon a replica that died is noticed, and another started.
HEALTH_CHECK_EVERY_S = 1.0


class ApiReplica:
    """One process that serves HTTP. It holds nothing that another could not take over."""


def api_builder(settings: dict[str, Any]) -> Callable[[], FastAPI]:
    """Return what puts the API together in the process that will serve it.

    Serve wants a builder: an application object does not travel between processes.

    Args:
        settings: The deployment's settings, without secrets.
    """

    def build() -> FastAPI:
        # Here and not above, where the process that deploys the application would import it all.
        from actors.serving.api import build_api  # noqa: PLC0415
        from everruns.api.app import end_streams  # noqa: PLC0415

        replica = serve.get_replica_context().replica_id.unique_id
        application = build_api(settings, f"api-{replica}")
        when_draining(partial(end_streams, application))
        listen_on_the_nodes_address_only()
        return application

    return build


def app(arguments: dict[str, Any]) -> Application:
    """Build the Serve application.

    Args:
        arguments: Settings by name; those not given come from the environment (see
            ``everruns.settings``).

    Raises:
        RayServeException: A setting is not valid.
    """
    try:
        check_variables()
        settings = load_settings(**arguments)
        settings.check_exposure()
    except InvalidRequest as error:
        # Serve shows this class's message, and of every other class a traceback.
        raise RayServeException(error.message) from None
    if settings.serving == "direct":
        raise RayServeException(
            "serving is direct, but this is Ray Serve. Leave it out, or run `everruns serve`."
        )
    replica = serve.ingress(api_builder(settings.public()))(ApiReplica)
    deployment = serve.deployment(
        name="api",
        max_ongoing_requests=MAX_ONGOING_REQUESTS,
        graceful_shutdown_timeout_s=GRACEFUL_SHUTDOWN_S,
        health_check_period_s=HEALTH_CHECK_EVERY_S,
        # A new version is up before the old one stops.
        max_surge_percent=100,
        ray_actor_options={"num_cpus": 0},
        # A line of the access log that is switched off is made all the same, at the level INFO.
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
        **replica_options(settings),
    )(replica)
    return deployment.bind()
