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
ANALYST = "analyst"
# The API where Ray Serve does not serve it.
API = "api"

# What only the head node has.
HEAD_NODE = {"node:__internal_head__": 0.001}

# Waiting reads and sends are many and cheap; the bound only keeps a runaway caller out.
MAX_CONCURRENCY = 10_000
ANSWER_WITHIN_S = 2.5


def detached(actor: type, name: str, **options: Any) -> Any:
    """Return an actor class whose ``remote`` starts an actor that outlives whoever starts it.

    Args:
        actor: The plain class.
        name: The actor's name, by which ``find_actor`` finds it.
        options: Further options of Ray's. ``num_cpus`` is 0 unless it is given.
    """
    fixed = {"name": name, "namespace": NAMESPACE, "lifetime": "detached"}
    return ray.remote(actor).options(**fixed, **{"num_cpus": 0, **options})


def find_actor(name: str) -> Any:
    """Return an actor of this application.

    Raises:
        ValueError: No actor has this name.
    """
    return ray.get_actor(name, namespace=NAMESPACE)


def describe_actor(role: str) -> str:
    """Return what Ray's list of actors shows of an actor: its role and its node's address.

    Ray asks once, when the actor has been made.
    """
    return f"{role} on {ray.util.get_node_ip_address()}"


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
