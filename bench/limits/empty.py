"""``python -m bench.limits.empty``: Ray and Serve with one empty route, and nothing of ours.

Started the way ``everruns serve`` starts them, so that what a server of ours takes beyond this is
its own. Only what decides how Ray runs is shared with it: the environment and the arguments.
"""

import argparse
import logging
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from actors.clusters.environment import prepare_environment
from actors.serving.front import front_folder
from everruns.settings import Settings
from everruns.settings_loading import load_settings


def main() -> None:
    """Serve one empty route until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m bench.limits.empty", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="where it listens, on loopback")
    settings = load_settings(port=parser.parse_args().port)
    # Ray reads its environment when it is imported.
    prepare_environment(settings)
    if folder := front_folder():
        # In a process that ends: what it imports is none of the empty application's.
        with ProcessPoolExecutor(1) as apart:
            apart.submit(_write_pages, folder).result()
    serve_empty(settings)


def _write_pages(folder: Path) -> None:
    """Write the files without which HAProxy does not start."""
    from actors.serving.front_pages import write_pages  # noqa: PLC0415

    write_pages(folder)


def serve_empty(settings: Settings) -> None:
    """Start Ray and Serve as ``actors.serving.server`` does, and an application without content."""
    import ray  # noqa: PLC0415
    from fastapi import FastAPI  # noqa: PLC0415
    from ray import serve  # noqa: PLC0415

    from actors.clusters.ports import free_port  # noqa: PLC0415

    def build() -> FastAPI:
        application = FastAPI()

        @application.get("/health")
        async def health() -> dict[str, str]:
            return {"status": "ok"}

        return application

    class Replica:
        """One process that serves one route."""

    try:
        ray.init(
            "local",
            include_dashboard=settings.dashboard == "on",
            dashboard_host="127.0.0.1",
            dashboard_port=free_port(),
            object_store_memory=256 * 1024 * 1024,
            log_to_driver=False,
            logging_level=logging.WARNING,
        )
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        serve.start(http_options={"host": settings.host, "port": settings.port})
        deployment = serve.deployment(
            name="empty",
            ray_actor_options={"num_cpus": 0},
            logging_config={"enable_access_log": False},
        )(serve.ingress(build)(Replica))
        serve.run(deployment.bind(), name="empty", route_prefix="/")
        threading.Event().wait()
    except KeyboardInterrupt:
        ray.shutdown()


if __name__ == "__main__":
    main()
