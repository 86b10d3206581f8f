"""The state of a cluster, composed of what its parts have told."""

from dataclasses import replace

from everruns.domain.cluster import Activity, JournalState
from everruns.own_process import MachineUse, ProcessUse
from everruns.registry.overview import Overview, PlacedHost
from everruns.registry.reports import HostFigures
from everruns.runtime.cluster_state import Told, compose
from everruns.runtime.surroundings import Node, Process, Surroundings

MACHINE = MachineUse(1.5, 1000, 400)
OWN = ProcessUse(30, 5_000, 100, 1.0)
AROUND = Surroundings(
    "n1",
    [Node("n2", "b", False, 4.0), Node("n1", "a", True, 2.0)],
    [
        Process("registry", "n1", 10, 1_000, 1, "a1"),
        Process("registry-2", "n2", 11, 2_000, 0, "a2"),
    ],
    {
        name: Process(name, "n2", number, 3_000, 2, f"a-{name}")
        for number in (2, 10)
        for name in [f"session-actor-{number}"]
    },
    [Process("abc", "n1", 30, 5_000, 0, "a3"), Process("old", "n2", 30, 4_000, 0, "a4")],
)
OVERVIEW = Overview(
    ProcessUse(10, 900, 200, 2.0),
    MACHINE,
    [
        PlacedHost("session-actor-10", True, "n2", 3, 300),
        PlacedHost("session-actor-2", True, "n2", 1, 100),
        PlacedHost("session-actor-11", False, "", 0, 0),
    ],
    {"n2"},
    None,
    JournalState(size_bytes=5, lag_seconds=0.1),
    None,
)
FIGURES = HostFigures(ProcessUse(2, 2_900, 50, 0.5), MACHINE, 1, 2, 3, Activity(turns_started=4))


def told(**changed) -> Told:
    parts = {
        "at_ms": 10_000,
        "around": AROUND,
        "overview": OVERVIEW,
        "figures": {"session-actor-2": FIGURES},
        "own": OWN,
        "own_machine": MACHINE,
        "problems": ["session-actor-10 does not answer."],
    }
    return Told(**{**parts, **changed})


def test_nodes_come_with_the_head_first_and_what_our_processes_say_of_them():
    nodes = compose(told()).nodes

    assert [(node.id, node.is_head, node.status) for node in nodes] == [
        ("n1", True, "up"),
        ("n2", False, "leaving"),
    ]
    assert [node.processes for node in nodes] == [2, 4]
    assert nodes[0].memory_used_bytes == 400
    assert nodes[1].load == 1.5


def test_a_node_where_nobody_tells_is_listed_without_what_it_uses():
    nodes = compose(told(figures={})).nodes

    assert nodes[1].memory_bytes is None
    assert nodes[1].cpus == 4.0


def test_session_actors_come_in_the_order_of_their_numbers():
    actors = compose(told()).session_actors

    assert [(actor.name, actor.status) for actor in actors] == [
        ("session-actor-2", "up"),
        ("session-actor-10", "silent"),
        ("session-actor-11", "starting"),
    ]
    assert (actors[0].turns_running, actors[0].turns_waiting, actors[0].streams) == (1, 2, 3)
    assert (actors[0].restarts, actors[0].memory_bytes, actors[0].node_id) == (2, 50, "n2")
    assert (actors[1].sessions, actors[1].activity) == (3, None)


def test_the_registry_that_answers_is_told_from_the_one_that_stands_by():
    state = compose(told())

    assert (state.registry.pid, state.registry.restarts, state.registry.memory_bytes) == (
        10, 1, 200,
    )  # fmt: skip
    assert state.standby is not None
    assert (state.standby.pid, state.standby.memory_bytes) == (11, None)


def test_the_replica_that_answers_tells_what_it_uses():
    replicas = compose(told()).replicas

    assert [(one.id, one.memory_bytes) for one in replicas] == [("old", None), ("abc", 100)]


def test_without_the_registry_ray_still_knows_the_session_actors():
    state = compose(told(overview=None, figures={}))

    assert [actor.name for actor in state.session_actors] == [
        "session-actor-2",
        "session-actor-10",
    ]
    assert state.registry.pid is None
    assert state.standby is None


def test_without_ray_the_registry_still_knows_the_session_actors():
    state = compose(told(around=Surroundings()))

    assert state.nodes == []
    assert [actor.node_id for actor in state.session_actors] == ["n2", "n2", None]
    assert state.registry.pid == 10


def test_actors_are_named_as_ray_names_them_and_its_dashboard_is_told_if_it_runs():
    running = compose(told(around=replace(AROUND, ray_dashboard="http://127.0.0.1:8265")))

    assert running.ray_dashboard == "http://127.0.0.1:8265"
    assert running.registry.actor_id == "a1"
    assert [actor.actor_id for actor in running.session_actors] == [
        "a-session-actor-2",
        "a-session-actor-10",
        None,
    ]
    assert compose(told()).ray_dashboard is None
