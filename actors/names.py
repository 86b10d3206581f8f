"""The names of actors on the cluster, and their proxies in other processes."""

from typing import Any, cast

import ray

from actors.calls.remote import line_to
from actors.calls.remote_registry import PATIENCE_S, RemoteRegistry
from actors.calls.stub import Remote
from everruns.registry.registry import Registry
from everruns.runtime.host import SessionHost

NAMESPACE = "everruns"
REGISTRY = "registry"
SESSION_ACTOR = "session-actor-"
LOCAL_MODEL = "local-model"

# Longer than a long poll, but shorter than callers would wait for a hanging host.
HOST_TIMEOUT_S = 15.0
# Waiting reads and sends are many and cheap; the bound only keeps a runaway caller out.
MAX_CONCURRENCY = 10_000


def find_actor(name: str) -> Any:
    """Return an actor of this application.

    Raises:
        ValueError: No actor has this name.
    """
    return ray.get_actor(name, namespace=NAMESPACE)


def remote_registry() -> Registry:
    """Return the registry's proxy."""
    line = line_to(lambda: find_actor(REGISTRY), PATIENCE_S)
    return cast("Registry", RemoteRegistry(line))


def remote_host(name: str) -> SessionHost:
    """Return a session host's proxy, whether or not the host is up."""
    line = line_to(lambda: find_actor(name))
    return cast("SessionHost", Remote(line, "host", SessionHost, timeout_s=HOST_TIMEOUT_S))
