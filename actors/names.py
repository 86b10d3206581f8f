"""The names of actors on the cluster."""

from typing import Any

import ray

NAMESPACE = "everruns"
REGISTRY = "registry"
SESSION_ACTOR = "session-actor-"
LOCAL_MODEL = "local-model"

# Waiting reads and sends are many and cheap; the bound only keeps a runaway caller out.
MAX_CONCURRENCY = 10_000


def find_actor(name: str) -> Any:
    """Return an actor of this application.

    Raises:
        ValueError: No actor has this name.
    """
    return ray.get_actor(name, namespace=NAMESPACE)
