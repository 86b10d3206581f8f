"""Liveness and readiness of this process.

Source: docs/contract.md, "Process".
"""

import asyncio
from importlib.metadata import version
from typing import Literal

from everruns.api.http.parameters import TheRuntime
from everruns.api.http.routes import Routes
from everruns.domain.base import Model
from everruns.errors import Unavailable

READY_PATIENCE_S = 5.0

routes = Routes("health")


class Health(Model):
    """The process is alive."""

    status: Literal["ok"] = "ok"
    version: str


class Readiness(Model):
    """The process is ready to serve."""

    status: Literal["ready"] = "ready"


@routes.add("GET /health")
async def get_health() -> Health:
    """Report that this process is alive."""
    return Health(version=version("everruns"))


@routes.add("GET /ready")
async def get_readiness(runtime: TheRuntime) -> Readiness:
    """Report whether the registry and the database are reachable; 503 if not."""
    try:
        async with asyncio.timeout(READY_PATIENCE_S):
            await runtime.ready()
    except TimeoutError:
        raise Unavailable("The registry does not answer.", None, 1.0) from None
    return Readiness()
