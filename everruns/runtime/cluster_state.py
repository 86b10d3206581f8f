"""The state of the cluster, composed of what its parts have told; pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from everruns.domain.cluster import (
    ClusterState,
    NodeState,
    ProcessState,
    RegistryState,
    ReplicaState,
    SessionActorState,
)
from everruns.ids import format_time
from everruns.own_process import MachineUse, ProcessUse
from everruns.registry.overview import Overview, PlacedHost
from everruns.registry.reports import HostFigures
from everruns.runtime.surroundings import Node, Process, Surroundings


@dataclass(frozen=True)
class Told:
    """What the parts of a cluster have told, as far as they have.

    Attributes:
        at_ms: When, in milliseconds since the epoch.
        around: What Ray knows.
        overview: What the registry knows; ``None`` if it did not answer.
        figures: What the session hosts told, by name.
        own: What the process that asked uses.
        own_machine: What its machine uses.
        problems: Why something is missing.
    """

    at_ms: int
    around: Surroundings
    overview: Overview | None
    figures: Mapping[str, HostFigures]
    own: ProcessUse
    own_machine: MachineUse
    problems: Sequence[str]


def compose(told: Told) -> ClusterState:
    """Return the state of the cluster."""
    around, overview = told.around, told.overview
    answering = next(
        (one for one in around.registries if overview and one.pid == overview.process.pid), None
    )
    others = [one for one in around.registries if one is not answering]
    hosts = hosts_of(around, overview)
    places = Counter(one.node_id for one in (*around.registries, *around.replicas))
    places.update(node for host in hosts if (node := _node_of(host, around)))
    machines = _machines(told, answering)
    leaving = overview.leaving if overview else ()
    return ClusterState(
        at=format_time(told.at_ms),
        version=version("everruns"),
        nodes=[
            _node(node, node.id in leaving, machines.get(node.id), places[node.id])
            for node in sorted(around.nodes, key=lambda node: (not node.is_head, node.hostname))
        ],
        registry=RegistryState(
            **_process(answering, overview.process if overview else None),
            sessions=overview.sessions if overview else None,
            journal=overview.journal if overview else None,
        ),
        standby=ProcessState(**_process(others[0], None)) if answering and others else None,
        session_actors=[
            _session_actor(host, around, told.figures.get(host.name)) for host in hosts
        ],
        replicas=[
            ReplicaState(id=one.name, **_process(one, told.own if _is_own(one, told) else None))
            for one in sorted(around.replicas, key=lambda one: (one.started_ms, one.name))
        ],
        ray_dashboard=around.ray_dashboard,
        problems=list(told.problems),
    )


def hosts_of(around: Surroundings, overview: Overview | None) -> list[PlacedHost]:
    """Return the hosts that placement knows or, without the registry, those that run."""
    if overview is not None:
        return sorted(overview.hosts, key=lambda host: _natural(host.name))
    actors = sorted(around.session_actors.values(), key=lambda actor: _natural(actor.name))
    return [PlacedHost(actor.name, True, actor.node_id, 0, 0) for actor in actors]


def _natural(name: str) -> tuple[str, int]:
    """Return what sorts ``session-actor-10`` after ``session-actor-9``."""
    word, _, number = name.rpartition("-")
    return (word, int(number)) if number.isdecimal() else (name, 0)


def _node_of(host: PlacedHost, around: Surroundings) -> str | None:
    actor = around.session_actors.get(host.name)
    return host.node or (actor.node_id if actor else None)


def _is_own(process: Process, told: Told) -> bool:
    return process.node_id == told.around.own_node and process.pid == told.own.pid


def _machines(told: Told, registry: Process | None) -> dict[str, MachineUse]:
    """Return what the machine of each node uses, where one of our processes told it."""
    machines = {told.around.own_node: told.own_machine}
    if registry is not None and told.overview is not None:
        machines[registry.node_id] = told.overview.machine
    for host in hosts_of(told.around, told.overview):
        figures, node = told.figures.get(host.name), _node_of(host, told.around)
        if figures is not None and node is not None:
            machines[node] = figures.machine
    return machines


def _node(node: Node, is_leaving: bool, machine: MachineUse | None, processes: int) -> NodeState:
    return NodeState(
        id=node.id,
        hostname=node.hostname,
        status="leaving" if is_leaving else "up",
        is_head=node.is_head,
        cpus=node.cpus,
        load=round(machine.load, 2) if machine else None,
        memory_bytes=machine.memory_bytes if machine else None,
        memory_used_bytes=machine.memory_used_bytes if machine else None,
        processes=processes,
    )


def _session_actor(
    host: PlacedHost, around: Surroundings, told: HostFigures | None
) -> SessionActorState:
    process = _process(around.session_actors.get(host.name), told.process if told else None)
    process["node_id"] = _node_of(host, around)
    return SessionActorState(
        **process,
        name=host.name,
        status="starting" if not host.is_up else "silent" if told is None else "up",
        sessions=host.sessions,
        size_bytes=host.size_bytes,
        turns_running=told.turns_running if told else None,
        turns_waiting=told.turns_waiting if told else None,
        streams=told.streams if told else None,
        activity=told.activity if told else None,
    )


def _process(known: Process | None, use: ProcessUse | None) -> dict[str, Any]:
    """Return the fields of ``ProcessState``.

    Ray starts processes before it knows for what, so what it says of the start counts most.
    """
    fields: dict[str, Any] = {}
    if use is not None:
        fields |= {
            "pid": use.pid,
            "started_at": format_time(use.started_ms),
            "memory_bytes": use.memory_bytes,
            "cpu_seconds": round(use.cpu_s, 2),
        }
    if known is not None:
        fields |= {
            "node_id": known.node_id,
            "actor_id": known.actor_id,
            "pid": known.pid,
            "started_at": format_time(known.started_ms),
            "restarts": known.restarts,
        }
    return fields
