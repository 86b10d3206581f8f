"""Whether this process lives, and whether it can serve.

Source: docs/contract.md, "Process".
"""

import asyncio
from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter

from everruns.api.parameters import TheRuntime
from everruns.domain.base import Model
from everruns.errors import Unavailable

READY_PATIENCE_S = 5.0


class Health(Model):
    """The process lives."""

    status: Literal["ok"] = "ok"
    version: str


class Readiness(Model):
    """The process can serve."""

    status: Literal["ready"] = "ready"


async def get_health() -> Health:
    """Tell that this process lives."""
    return Health(version=version("everruns"))


async def get_readiness(runtime: TheRuntime) -> Readiness:
    """Tell whether registry and database can be reached; 503 if not."""
    try:
        async with asyncio.timeout(READY_PATIENCE_S):
            await runtime.ready()
    except TimeoutError:
        raise Unavailable("The registry does not answer.", None, 1.0) from None
    return Readiness()


def add_routes(router: APIRouter) -> None:
    """Add the routes of health, which belong to no face."""
    router.get("/health")(get_health)
    router.get("/ready")(get_readiness)
