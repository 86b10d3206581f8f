"""The state of a cluster: its nodes and our processes on them.

Source: docs/contract.md, "Cluster".
"""

from typing import Literal

from pydantic import Field

from everruns.domain.base import Model


class Activity(Model):
    """What the turns of a session actor have come to since it started."""

    turns_started: int = 0
    turns_completed: int = 0
    turns_failed: int = 0
    turns_cancelled: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class ProcessState(Model):
    """A process, as far as it is known."""

    node_id: str | None = Field(None, description="Ray's id of its node.")
    actor_id: str | None = Field(None, description="Ray's id of its actor.")
    pid: int | None = None
    started_at: str | None = None
    restarts: int | None = Field(None, description="How often Ray has started it again.")
    memory_bytes: int | None = Field(None, description="Its resident memory.")
    cpu_seconds: float | None = Field(None, description="CPU that it has used since it started.")


class NodeState(Model):
    """A node."""

    id: str = Field(description="Ray's id of it.")
    hostname: str | None = None
    status: Literal["up", "leaving"]
    is_head: bool
    cpus: float = Field(description="CPUs that Ray counts there.")
    load: float | None = Field(
        None, description="Threads that ran or wanted to run, on average over the last minute."
    )
    memory_bytes: int | None = Field(None, description="The machine's memory.")
    memory_used_bytes: int | None = None
    processes: int = Field(description="The registries, session actors and API replicas there.")


class SessionActorState(ProcessState):
    """A session actor."""

    name: str
    status: Literal["up", "starting", "silent"] = Field(
        description="`silent`: it did not say in time what it does."
    )
    sessions: int = Field(description="Sessions that are placed on it.")
    size_bytes: int = Field(description="The size of these sessions.")
    turns_running: int | None = None
    turns_waiting: int | None = Field(None, description="Turns in its memory that wait.")
    streams: int | None = Field(None, description="Places in sessions that are being followed.")
    activity: Activity | None = None


class StoredSessions(Model):
    """How many sessions the store has, and what they do."""

    total: int
    turns_open: int = Field(description="Turns that have not ended, wherever they are.")
    waiting: dict[str, int] = Field(
        description="Open turns that wait, by what they wait for. One can wait for several."
    )


class JournalState(Model):
    """What was acknowledged and is not in the database yet."""

    size_bytes: int
    lag_seconds: float = Field(description="How long the oldest of it has waited.")


class RegistryState(ProcessState):
    """The registry."""

    sessions: StoredSessions | None = None
    journal: JournalState | None = None


class ReplicaState(ProcessState):
    """An API replica."""

    id: str


class ClusterState(Model):
    """The cluster at one moment."""

    at: str
    version: str
    nodes: list[NodeState]
    registry: RegistryState
    standby: ProcessState | None = Field(None, description="A registry that would take over.")
    session_actors: list[SessionActorState]
    replicas: list[ReplicaState]
    ray_dashboard: str | None = Field(
        None, description="Address of the Ray dashboard; left out while it does not run."
    )
    problems: list[str] = Field(description="Why something is missing here, each a sentence.")
