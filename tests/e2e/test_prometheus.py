"""A real Prometheus watches a real server: what the dashboard and the alerts ask for is there."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.lively import Lively
from bench.prometheus import Prometheus, session_folder, wait, watching
from bench.server import Server
from everruns.telemetry.metrics import METRICS
from everruns.telemetry.monitoring.alerts import ALERTS
from tests.servers import small_server

pytestmark = pytest.mark.long

SCRAPED_EVERY_S = 2
# A page may come too late when the machine is busy.
PATIENCE_S = 60.0
# What Grafana would choose.
INTERVAL = "30s"
ALL_SEEN_WITHIN_S = 240.0
CLIENTS = 6
DASHBOARD = Path(__file__).parents[2] / "config" / "observability" / "grafana.json"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with small_server(
        RAY_metrics_report_interval_ms="1000",
    ) as server:
        yield server


@pytest.fixture(scope="module")
def prometheus(server: Server) -> Iterator[Prometheus]:
    with watching(server, SCRAPED_EVERY_S) as prometheus:
        yield prometheus


def wanted() -> list[str]:
    """Return all expressions of the dashboard and the alerts, these without what they allow."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    asked = [query.replace("$__rate_interval", INTERVAL) for query in queries]
    return [*asked, *(alert.expression for alert in ALERTS)]


def kill_session_actor(server: Server) -> None:
    for process in server.process.children(recursive=True):
        if process.name().startswith("ray::SessionActor"):
            process.kill()
            return
    pytest.fail("There is no session actor to kill.")


async def test_every_expression_of_the_dashboard_and_the_alerts_has_a_series(
    server: Server, prometheus: Prometheus
):
    deadline = time.monotonic() + ALL_SEEN_WITHIN_S
    missing = wanted()

    def all_is_there() -> bool:
        return not missing or time.monotonic() > deadline

    async def look() -> None:
        # In its midst an actor is lost, with turns that are open.
        await asyncio.sleep(10)
        kill_session_actor(server)
        while not all_is_there():
            await asyncio.sleep(SCRAPED_EVERY_S)
            missing[:] = [each for each in missing if not await has_series(each)]

    async def has_series(expression: str) -> bool:
        return await asyncio.to_thread(prometheus.series, expression) > 0

    await asyncio.gather(Lively(server.address).run(CLIENTS, all_is_there), look())

    assert missing == []


def test_every_metric_has_reached_prometheus(prometheus: Prometheus):
    for metric in METRICS:
        name = f"ray_{metric.name}_bucket" if metric.kind == "histogram" else f"ray_{metric.name}"
        wait(lambda: prometheus.series(name) > 0, PATIENCE_S, f"There is no {name}.")  # noqa: B023


def test_prometheus_knows_the_alerts_and_none_says_that_something_is_missing(
    prometheus: Prometheus,
):
    missing = "EverrunsNotScraped|EverrunsRegistryMissing"
    assert prometheus.series(f'ALERTS{{alertname=~"{missing}", alertstate="firing"}}') == 0
    lost = 'ALERTS{alertname="EverrunsHostLost", alertstate="firing"}'
    wait(lambda: prometheus.series(lost) == 1, PATIENCE_S, "The killed actor was not noticed.")


def test_grafana_finds_the_dashboard_beside_those_of_ray(server: Server):
    put = session_folder(server) / "metrics" / "grafana" / "dashboards" / "everruns.json"
    assert put.read_text() == DASHBOARD.read_text()


def test_no_metric_holds_an_id(prometheus: Prometheus):
    ids = "(session|turn|agent|message|event)_[0-9a-f]{32}"
    for label in ("model", "route", "tool", "code", "outcome"):
        assert prometheus.series(f'{{__name__=~"ray_everruns_.*", {label}=~".*{ids}.*"}}') == 0


def test_killed_actors_leave_no_gauges_behind(server: Server, prometheus: Prometheus):
    actors = [
        process
        for process in server.process.children(recursive=True)
        if process.status() != psutil.STATUS_ZOMBIE
        and process.name().startswith("ray::SessionActor")
    ]
    wait(
        lambda: prometheus.series("ray_everruns_sessions_live") == len(actors),
        PATIENCE_S,
        "There are gauges of actors that have ended.",
    )
