"""Metrics of every process of a server, on the pages that Ray shows to Prometheus."""

import json
from pathlib import Path

import httpx
import pytest

from bench.prometheus import session_folder, wait
from bench.server import Server
from everruns.telemetry.metrics import (
    APPEND_BATCHES,
    HTTP_REQUESTS,
    MODEL_CALLS,
    SESSIONS_STORED,
    TURNS,
)
from everruns.telemetry.monitoring.__main__ import FILES
from tests.e2e.command_line import create_key

# Ray passes metrics on every ten seconds, and the machine may be busy.
PASSED_ON_WITHIN_S = 60.0


def pages(server: Server) -> str:
    """Return all pages of metrics of a server, as Prometheus finds them."""
    found = (session_folder(server) / "prom_metrics_service_discovery.json").read_text()
    targets = [target for group in json.loads(found) for target in group["targets"]]
    return "".join(httpx.get(f"http://{target}/metrics", timeout=30).text for target in targets)


@pytest.fixture
def operator(replicated: Server) -> httpx.Client:
    by_key = {"Authorization": f"Bearer {create_key(replicated.data_dir, 'metrics')}"}
    return httpx.Client(base_url=replicated.address, headers=by_key, timeout=60)


def test_each_kind_of_process_shows_what_it_measures(replicated: Server, operator: httpx.Client):
    with operator:
        session = operator.post("/v1/sessions", json={}).json()["id"]
        sent = operator.post(f"/v1/sessions/{session}/messages", json={"content": "Hello."})
        assert sent.status_code == 201, sent.text

    measured = (HTTP_REQUESTS, SESSIONS_STORED, APPEND_BATCHES, TURNS, MODEL_CALLS)

    def all_are_shown() -> bool:
        shown = pages(replicated)
        return all(f"\nray_{metric.name}{{" in shown for metric in measured)

    wait(all_are_shown, PASSED_ON_WITHIN_S, "Not all of them are shown.")
    assert session not in pages(replicated)


def test_the_dashboard_and_the_alerts_are_put_beside_those_of_ray(replicated: Server):
    metrics = session_folder(replicated) / "metrics"
    put = metrics / "grafana" / "dashboards" / "everruns.json"
    wait(put.exists, PASSED_ON_WITHIN_S, f"There is no {put}.")
    assert put.read_text() == FILES["grafana.json"]()
    assert (metrics / "prometheus" / "alerts.yaml").read_text() == FILES["alerts.yaml"]()


def test_rays_list_of_actors_says_what_each_one_is(replicated: Server, dashboard_port: int):
    token = (Path(replicated.data_dir) / "ray_token").read_text()
    answer = httpx.get(
        f"http://127.0.0.1:{dashboard_port}/logical/actors",
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    actors = answer.json()["data"]["actors"].values()
    told = {actor["name"]: actor["reprName"] for actor in actors}
    assert told["registry"] == "registry: database, log and placement on 127.0.0.1"
    assert told["session-actor-0"].startswith("session host")
