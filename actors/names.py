"""The names of actors on the cluster."""

import time
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError

NAMESPACE = "everruns"
REGISTRY = "registry"
# On a cluster of several nodes with a shared database there are two, and either may answer.
REGISTRIES = (REGISTRY, "registry-2")
SESSION_ACTOR = "session-actor-"
LOCAL_MODEL = "local-model"

# Waiting reads and sends are many and cheap; the bound only keeps a runaway caller out.
MAX_CONCURRENCY = 10_000
ANSWER_WITHIN_S = 2.5


def find_actor(name: str) -> Any:
    """Return an actor of this application.

    Raises:
        ValueError: No actor has this name.
    """
    return ray.get_actor(name, namespace=NAMESPACE)


def find_registry() -> Any:
    """Return the registry that answers; one that stands by gets a moment to take over.

    Raises:
        ValueError: There is none, or none answers.
    """
    found: list[Any] = []
    for name in REGISTRIES:
        with suppress(ValueError):
            found.append(find_actor(name))
    if len(found) == 1:
        return found[0]
    asked = {registry.begun.remote(): registry for registry in found}
    waiting, deadline = list(asked), time.monotonic() + ANSWER_WITHIN_S
    while waiting and (left_s := deadline - time.monotonic()) > 0:
        answered, waiting = ray.wait(waiting, num_returns=1, timeout=left_s)
        for answer in answered:
            with suppress(RayError):  # It has ended.
                if ray.get(answer):
                    return asked[answer]
    raise ValueError("No registry answers.")
