"""The nodes and processes around this process, as what started them knows them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Node:
    """A node.

    Attributes:
        id: Its id.
        hostname: Its host name.
        is_head: Whether it is the head node.
        cpus: Its CPUs.
    """

    id: str
    hostname: str
    is_head: bool
    cpus: float


@dataclass(frozen=True)
class Process:
    """One of our processes.

    Attributes:
        name: Its name.
        node_id: The node that it is on.
        pid: Its number there.
        started_ms: When it was started last, in milliseconds since the epoch.
        restarts: How often it was started again.
        actor_id: The id that Ray has for its actor.
    """

    name: str
    node_id: str
    pid: int
    started_ms: int
    restarts: int
    actor_id: str


@dataclass(frozen=True)
class Surroundings:
    """Where this process runs; empty in one process without a cluster.

    Attributes:
        own_node: The node that this process is on.
        nodes: The nodes that are alive.
        registries: The registry and, if there is one, the other that stands by.
        session_actors: The session actors that run, by name.
        replicas: The API replicas.
        ray_dashboard: The address of the Ray dashboard; ``None`` if it does not run.
    """

    own_node: str = ""
    nodes: Sequence[Node] = ()
    registries: Sequence[Process] = ()
    session_actors: Mapping[str, Process] = field(default_factory=dict[str, Process])
    replicas: Sequence[Process] = ()
    ray_dashboard: str | None = None


Look = Callable[[], Surroundings]
"""Returns the surroundings; may block."""
