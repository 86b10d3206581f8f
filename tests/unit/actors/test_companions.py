"""Which processes Ray starts next to its own core."""

from typing import Any

import pytest
from ray._private import node, parameter
from structlog.testing import capture_logs

from actors.clusters.companions import companions


class Cluster:
    """A node that is being started; keeps what it tells the others."""

    def __init__(self) -> None:
        self.told: dict[bytes, bytes] = {}

    def get_gcs_client(self) -> "Cluster":
        return self

    def internal_kv_put(self, key: bytes, value: bytes, overwrite: bool, namespace: bytes) -> None:
        self.told[key] = value


@pytest.mark.parametrize("dashboard", [True, False])
def test_two_agents_have_ports_and_nothing_collects_what_nobody_prints(dashboard: bool):
    with companions(dashboard=dashboard):
        started: Any = parameter.RayParams()

    assert started.dashboard_agent_listen_port != started.runtime_env_agent_port
    assert 0 not in (started.dashboard_agent_listen_port, started.runtime_env_agent_port)
    assert started.include_log_monitor is False


@pytest.mark.parametrize("dashboard", [True, False])
def test_the_autoscaler_is_there_for_the_dashboard_alone(dashboard: bool):
    with companions(dashboard=dashboard):
        assert parameter.RayParams().no_monitor is not dashboard


def test_without_the_dashboard_its_process_is_not_started_and_nobody_waits_for_it():
    cluster = Cluster()

    with companions(dashboard=False):
        node.Node.start_api_server(cluster, include_dashboard=False, raise_on_failure=False)

    assert cluster.told.keys() == {b"dashboard"}


def test_ray_is_afterwards_what_it_was():
    before = parameter.RayParams, node.Node.start_api_server

    with companions(dashboard=False):
        pass

    assert (parameter.RayParams, node.Node.start_api_server) == before


def test_a_release_of_ray_without_what_is_changed_starts_and_the_log_says_what_is_lost(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delattr(parameter, "RayParams")
    monkeypatch.delattr(node.Node, "start_api_server")

    with capture_logs() as logs, companions(dashboard=False):
        pass

    assert [entry["log_level"] for entry in logs] == ["warning", "warning"]
