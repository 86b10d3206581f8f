"""What Ray knows of the cluster: its nodes, our actors on them, and where its dashboard is."""

from dataclasses import replace
from importlib import import_module
from typing import Any

import ray
from ray.exceptions import RayError

from actors.clusters.companions import NOBODY
from actors.clusters.ports import Listeners
from actors.names import API, REGISTRIES, SESSION_ACTOR
from actors.serving.leftovers import is_own_cluster
from everruns.errors import Unavailable
from everruns.runtime.surroundings import Node, Process, Surroundings

# On loopback an answer comes at once, unless the dashboard hangs.
DASHBOARD_ANSWERS_WITHIN_S = 0.2
ASK_DASHBOARD_EVERY_S = 3.0
HEAD = "node:__internal_head__"
# Ray Serve names its actors so, with the application and the deployment of ``serve_app``.
REPLICA = "SERVE_REPLICA::everruns#api#"


_dashboards = Listeners(DASHBOARD_ANSWERS_WITHIN_S, ASK_DASHBOARD_EVERY_S)


def look() -> Surroundings:
    """Ask Ray; it takes some milliseconds, and 0.2 s more while the dashboard hangs.

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
    """Return the address that the dashboard's process leaves in Ray's store of keys."""
    worker: Any = import_module("ray._private.worker").global_worker
    noted: bytes | None = worker.gcs_client.internal_kv_get(b"dashboard", b"dashboard")
    if noted in (None, NOBODY):
        return None
    address = noted.decode()
    # One that was killed leaves its address. On a cluster that somebody else started, it may listen
    # where people reach it and this process does not.
    if is_own_cluster() and not _dashboards.has(address):
        return None
    return f"http://{address}"


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
