"""Ending the application: its requests, its turns, and the registry, in this order."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

import ray
import structlog
from ray.exceptions import RayError

from actors.calls.direct import hang_up
from actors.names import NAMESPACE, REGISTRIES, REGISTRY, SESSION_ACTOR
from actors.serving.ways import load_serving
from actors.stubs import find_host, remote_registry
from everruns.errors import EverrunsError, StoreUnavailable
from everruns.log import error_kind
from everruns.settings import Settings

# The whole stop must take less than ten seconds; Ray needs up to four of them for its own end.
HOSTS_TIMEOUT_S = 1.0
REGISTRY_TIMEOUT_S = 2.0

log = structlog.get_logger(__name__)


def end_application(settings: Settings) -> None:
    """End the API's requests, stop turns where they stand, and close the registry."""
    if not ray.is_initialized():
        return
    load_serving(settings).end_requests()
    _close_actors()


def list_actors(namespace: str = NAMESPACE) -> list[str]:
    """Return the names of the actors in a namespace, by default those of this application."""
    named: list[Any] = ray.util.list_named_actors(all_namespaces=True)
    return [actor["name"] for actor in named if actor["namespace"] == namespace]


def kill_actor(name: str, namespace: str = NAMESPACE) -> None:
    """End an actor for good, if it is there."""
    with suppress(ValueError, RayError):  # It has already ended.
        ray.kill(ray.get_actor(name, namespace=namespace), no_restart=True)


def _close_actors() -> None:
    """Stop turns where they stand, and let the registry write everything out.

    The next start repairs what is not done in time.
    """

    async def close(name: str, closing: Awaitable[None], timeout_s: float) -> None:
        try:
            await asyncio.wait_for(closing, timeout_s)
        except StoreUnavailable:
            return  # It never opened anything that would have to be closed.
        except (EverrunsError, TimeoutError) as error:
            log.warning("actor not closed", host=name, error=error_kind(error))

    async def close_host(name: str) -> None:
        await close(name, (await find_host(name)).close(), HOSTS_TIMEOUT_S)

    async def close_all(actors: list[str]) -> None:
        hosts = [name for name in actors if name.startswith(SESSION_ACTOR)]
        await asyncio.gather(*map(close_host, hosts))
        if not set(REGISTRIES).isdisjoint(actors):
            await close(REGISTRY, remote_registry().close(), REGISTRY_TIMEOUT_S)
        await hang_up()

    asyncio.run(close_all(list_actors()))
