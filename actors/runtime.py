"""The runtime on a cluster, with actors for hosts and registry."""

from typing import Any

from actors.analyst import remote_analyst
from actors.registry import ensure_registry
from actors.stubs import find_host, meet_host, own_logs, remote_registry
from actors.surroundings import look
from everruns.runtime.routes import PATIENCE_S
from everruns.runtime.runtime import Runtime
from everruns.settings_loading import load_settings


class RayRuntime(Runtime):
    """Sessions in session actors, found through the registry actor.

    Args:
        settings: The deployment's settings, without secrets. They apply if the cluster has no
            registry yet, because then this runtime starts it.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        ensure_registry(settings)
        registry = remote_registry(own_logs(load_settings(**settings)), PATIENCE_S)
        super().__init__(registry, find_host, remote_analyst(settings), meet_host, look)
