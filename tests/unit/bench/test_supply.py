"""Machines that Ray's autoscaler asks for: what it reads, and what its provider does."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.autoscaler.tags import TAG_RAY_NODE_KIND
from ray.autoscaler.v2.instance_manager.config import FileConfigReader

from actors.processes import wait
from bench.cluster.nodes import FailedCommandError, Node
from bench.cluster.supply import (
    MachineProvider,
    Scaling,
    Supply,
    offered,
    write_configuration,
)

WITHIN_S = 10.0


class SlowNode:
    """A node that starts when it may."""

    def __init__(self, name: str) -> None:
        self.machine = SimpleNamespace(name=name)
        self.may_start = threading.Event()
        self.failure: Exception | None = None
        self.is_killed = False

    def start(self) -> None:
        assert self.may_start.wait(WITHIN_S)
        if self.failure:
            raise self.failure

    def kill(self) -> None:
        self.is_killed = True


@pytest.fixture
def added() -> SlowNode:
    return SlowNode("node-1")


@pytest.fixture
def nodes() -> list[Node]:
    return [cast("Node", SlowNode("node-0"))]


@pytest.fixture
def provider(added: SlowNode, nodes: list[Node]):
    supply = Supply(nodes, lambda: cast("Node", added))
    with offered(supply, "127.0.0.1") as url:
        yield MachineProvider({"url": url}, "everruns")
        added.may_start.set()


def workers(provider: MachineProvider) -> list[str]:
    return provider.non_terminated_nodes({TAG_RAY_NODE_KIND: "worker"})


def test_a_node_is_there_at_once_and_runs_when_it_has_started(
    provider: MachineProvider, added: SlowNode, nodes: list[Node]
):
    provider.create_node({}, {TAG_RAY_NODE_KIND: "worker"}, 1)
    assert workers(provider) == ["node-1"]
    assert provider.non_terminated_nodes({TAG_RAY_NODE_KIND: "head"}) == ["node-0"]
    assert not provider.is_running("node-1")
    assert cast("Any", nodes)[1] is added
    added.may_start.set()
    wait(lambda: provider.is_running("node-1"), WITHIN_S)
    assert provider.is_running("node-1")


def test_a_node_that_is_terminated_is_switched_off_and_forgotten(
    provider: MachineProvider, added: SlowNode, nodes: list[Node]
):
    provider.create_node({}, {TAG_RAY_NODE_KIND: "worker"}, 1)
    added.may_start.set()
    provider.terminate_node("node-1")
    assert added.is_killed
    assert workers(provider) == []
    assert provider.is_terminated("node-1")
    assert len(nodes) == 1


def test_who_asks_for_a_node_that_could_not_start_is_told_why(
    provider: MachineProvider, added: SlowNode
):
    added.failure = FailedCommandError("no memory")
    added.may_start.set()
    provider.create_node({}, {TAG_RAY_NODE_KIND: "worker"}, 1)

    def is_running_or_told() -> bool:
        return provider.is_running("node-1")

    with pytest.raises(Exception, match="no memory"):
        wait(is_running_or_told, WITHIN_S)


def test_ray_reads_the_configuration_as_it_is_meant(tmp_path: Path):
    file = tmp_path / "autoscaling.yaml"
    write_configuration(file, Scaling(most=3, idle_s=30), 2, "http://192.0.2.1:1")
    read = FileConfigReader(str(file)).get_cached_autoscaling_config()
    assert read.get_max_num_worker_nodes() == 2
    assert read.get_idle_timeout_s() == 30
    assert read.get_node_type_configs()["worker"].resources == {"CPU": 2}
    assert read.disable_node_updaters()
