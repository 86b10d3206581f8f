"""Where things live on the cluster: the actors' names, and what stands for them elsewhere."""

from typing import TYPE_CHECKING, Any, cast

import ray

from actors.calls import Remote
from actors.remote import ActorLine
from actors.remote_registry import PATIENCE_S, RemoteRegistry
from everruns.registry.registry import Registry
from everruns.runtime.host import SessionHost

if TYPE_CHECKING:
    from actors.local_model import LocalModel

NAMESPACE = "everruns"
REGISTRY = "registry"
SESSION_ACTOR = "session-actor-"
LOCAL_MODEL = "local-model"

# Longer than a read waits for news; shorter than a caller would wait for a host that hangs.
HOST_TIMEOUT_S = 15.0
# Waiting reads and sends are many and cheap; the bound only keeps a runaway caller out.
MAX_CONCURRENCY = 10_000


def _actor(name: str) -> Any:
    return ray.get_actor(name, namespace=NAMESPACE)


def remote_registry() -> Registry:
    """Return what stands for the registry.

    Raises:
        ValueError: The cluster has no registry yet.
    """
    return cast("Registry", RemoteRegistry(ActorLine(lambda: _actor(REGISTRY))))


def remote_local_model() -> "LocalModel":
    """Return what stands for the model that runs on the registry's node."""
    line = ActorLine(lambda: _actor(REGISTRY))
    return cast("LocalModel", Remote(line, "local_model", PATIENCE_S))


def remote_host(name: str) -> SessionHost:
    """Return what stands for a session host.

    Raises:
        ValueError: No actor has this name.
    """
    line = ActorLine(lambda: _actor(name))
    return cast("SessionHost", Remote(line, "host", timeout_s=HOST_TIMEOUT_S))
