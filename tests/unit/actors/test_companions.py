"""Which processes Ray starts next to its own core, and what its raylet waits for."""

from pathlib import Path
from typing import Any

import pytest
from ray._private import node, parameter
from structlog.testing import capture_logs

from actors.clusters.companions import companions

AGENT_PORTS = (
    "dashboard_agent_listen_port",
    "metrics_agent_port",
    "metrics_export_port",
    "runtime_env_agent_port",
)


class HeadNode:
    """A head node that is being started; keeps what it tells the others."""

    node_id = "ab" * 28

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: dict[bytes, bytes] = {}

    def get_session_dir_path(self) -> str:
        return str(self.folder)

    def get_gcs_client(self) -> "HeadNode":
        return self

    def internal_kv_put(self, key: bytes, value: bytes, overwrite: bool, namespace: bytes) -> None:
        self.told[key] = value

    def start_api_server(self) -> None:
        node.Node.start_api_server(self, include_dashboard=False, raise_on_failure=False)


@pytest.mark.parametrize("dashboard", [True, False])
def test_the_agents_have_ports_and_nothing_collects_what_nobody_prints(dashboard: bool):
    with companions(dashboard=dashboard):
        started: Any = parameter.RayParams()

    ports = [getattr(started, name) for name in AGENT_PORTS]
    assert len(set(ports)) == len(AGENT_PORTS)
    assert min(ports) > 0
    assert started.include_log_monitor is False


@pytest.mark.parametrize("dashboard", [True, False])
def test_the_autoscaler_is_there_for_the_dashboard_alone(dashboard: bool):
    with companions(dashboard=dashboard):
        assert parameter.RayParams().no_monitor is not dashboard


def test_without_the_dashboard_its_process_is_not_started_and_nobody_waits_for_it(tmp_path: Path):
    head = HeadNode(tmp_path)

    with companions(dashboard=False):
        head.start_api_server()

    assert head.told.keys() == {b"dashboard"}


@pytest.mark.parametrize("dashboard", [True, False])
def test_the_raylet_finds_the_only_port_that_it_would_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dashboard: bool
):
    started: list[str] = []
    monkeypatch.setattr(node.Node, "start_api_server", lambda *_, **__: started.append("dashboard"))
    head = HeadNode(tmp_path)

    with companions(dashboard=dashboard):
        head.start_api_server()
        chosen: Any = parameter.RayParams()

    (noted,) = tmp_path.iterdir()
    assert noted.name == f"dashboard_agent_listen_port_{head.node_id}"
    assert noted.read_text() == str(chosen.dashboard_agent_listen_port)
    assert started == (["dashboard"] if dashboard else [])


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


def test_a_release_of_ray_that_notes_ports_otherwise_starts_and_the_log_says_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delattr("ray._raylet.persist_port")

    with capture_logs() as logs, companions(dashboard=False):
        HeadNode(tmp_path).start_api_server()

    assert [entry["log_level"] for entry in logs] == ["warning"]
