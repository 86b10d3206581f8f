"""What Ray knows of the cluster: its nodes, our actors on them, and where its dashboard is."""

from dataclasses import replace
from importlib import import_module
from typing import Any

import ray
from ray.exceptions import RayError

from actors.clusters.companions import NOBODY
from actors.names import API, REGISTRIES, SESSION_ACTOR
from everruns.errors import Unavailable
from everruns.runtime.surroundings import Node, Process, Surroundings

HEAD = "node:__internal_head__"
# Ray Serve names its actors so, with the application and the deployment of ``serve_app``.
REPLICA = "SERVE_REPLICA::everruns#api#"


def look() -> Surroundings:
    """Ask Ray; it takes some milliseconds.

    Raises:
        Unavailable: Ray does not know its nodes, or does not tell its actors any more.
    """
    try:
        nodes: list[Any] = ray.nodes()
        # The public list needs the dashboard, which a server can be without.
        state: Any = import_module("ray._private.state")
        actors: dict[str, Any] = state.actors(actor_state_name="ALIVE")
        dashboard = _find_dashboard()
    except (RayError, AttributeError, TypeError, RuntimeError) as error:
        raise Unavailable(f"Ray does not tell its state ({type(error).__name__}).") from error
    processes = [_process(actor) for actor in actors.values() if actor["Name"]]
    return Surroundings(
        ray.get_runtime_context().get_node_id(),
        [_node(node) for node in nodes if node["Alive"]],
        [one for one in processes if one.name in REGISTRIES],
        {one.name: one for one in processes if one.name.startswith(SESSION_ACTOR)},
        [
            replace(one, name=one.name.removeprefix(REPLICA))
            for one in processes
            if one.name.startswith(REPLICA) or one.name == API
        ],
        dashboard,
    )


def _find_dashboard() -> str | None:
    """Return the dashboard's address, which its process leaves in Ray's store of keys."""
    worker: Any = import_module("ray._private.worker").global_worker
    address: bytes | None = worker.gcs_client.internal_kv_get(b"dashboard", b"dashboard")
    return None if address in (None, NOBODY) else f"http://{address.decode()}"


def _node(node: Any) -> Node:
    resources = node["Resources"]
    return Node(
        node["NodeID"], node["NodeManagerHostname"], HEAD in resources, resources.get("CPU", 0.0)
    )


def _process(actor: Any) -> Process:
    return Process(
        actor["Name"],
        actor["Address"]["NodeID"],
        actor["Pid"],
        actor["StartTime"],
        actor["NumRestarts"],
        actor["ActorID"],
    )
