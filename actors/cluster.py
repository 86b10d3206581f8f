"""Where things live on the cluster: the actors' names, and what stands for them elsewhere."""

from typing import TYPE_CHECKING, Any, cast

import ray

from actors.remote import Line, Remote
from everruns.registry.registry import Registry
from everruns.runtime.host import SessionHost

if TYPE_CHECKING:
    from actors.local_model import LocalModel

NAMESPACE = "everruns"
REGISTRY = "registry"
SESSION_ACTOR = "session-actor-"
LOCAL_MODEL = "local-model"

REGISTRY_PATIENCE_S = 30.0
# Longer than a read waits for news; shorter than a caller would wait for a host that hangs.
HOST_TIMEOUT_S = 15.0
# Waiting reads and sends are many and cheap; the bound only keeps a runaway caller out.
MAX_CONCURRENCY = 10_000


class RemoteRegistry:
    """Stands for the registry in its actor, room by room."""

    def __init__(self) -> None:
        line = Line(lambda: _actor(REGISTRY))
        self.agents = Remote(line, "agents", REGISTRY_PATIENCE_S)
        self.providers = Remote(line, "providers", REGISTRY_PATIENCE_S)
        self.sessions = Remote(line, "sessions", REGISTRY_PATIENCE_S)
        self.workspaces = Remote(line, "workspaces", REGISTRY_PATIENCE_S)
        self.budgets = Remote(line, "budgets", REGISTRY_PATIENCE_S)
        self.keys = Remote(line, "keys", REGISTRY_PATIENCE_S)
        self._registry = Remote(line, "registry", REGISTRY_PATIENCE_S)

    def __getattr__(self, method: str) -> Any:
        return getattr(self._registry, method)


def _actor(name: str) -> Any:
    return ray.get_actor(name, namespace=NAMESPACE)


def remote_registry() -> Registry:
    """Return what stands for the registry.

    Raises:
        ValueError: The cluster has no registry yet.
    """
    return cast("Registry", RemoteRegistry())


def remote_local_model() -> "LocalModel":
    """Return what stands for the model that runs on the registry's node."""
    line = Line(lambda: _actor(REGISTRY))
    return cast("LocalModel", Remote(line, "local_model", REGISTRY_PATIENCE_S))


def remote_host(name: str) -> SessionHost:
    """Return what stands for a session host.

    Raises:
        ValueError: No actor has this name.
    """
    return cast("SessionHost", Remote(Line(lambda: _actor(name)), "host", timeout_s=HOST_TIMEOUT_S))
