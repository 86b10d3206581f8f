"""The dashboard, the alerts and what is written about them."""

import json
import re
import subprocess
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.prometheus import find_program
from everruns.telemetry.metrics import METRICS
from everruns.telemetry.monitoring.__main__ import FILES
from everruns.telemetry.monitoring.alerts import ALERTS
from everruns.telemetry.monitoring.files import alert_rules, grafana_settings
from everruns.telemetry.monitoring.panels import ROWS

ROOT = Path(__file__).parents[3]
OBSERVABILITY = (ROOT / "docs" / "observability.md").read_text()
NAMES = {metric.name for metric in METRICS}

# For each alert, metrics with which it fires after an hour, and metrics with which it does not.
# "0+1x60" is 0 and then 1 more each minute.
Inputs = dict[str, str]
CASES: dict[str, tuple[Inputs, Inputs]] = {
    "EverrunsNotScraped": (
        {'up{job="ray", instance="a"}': "1x60", 'up{job="ray", instance="b"}': "0x60"},
        {'up{job="ray", instance="a"}': "1x60"},
    ),
    "EverrunsRegistryMissing": (
        {'ray_everruns_event_loop_lag_seconds{process="API replica"}': "0x60"},
        {'ray_everruns_event_loop_lag_seconds{process="registry"}': "0x60"},
    ),
    "EverrunsTurnStuck": (
        {"ray_everruns_turn_idle_seconds": "3000+60x60"},
        {"ray_everruns_turn_idle_seconds": "0+59x60"},
    ),
    "EverrunsTurnsFail": (
        {
            'ray_everruns_turns_total{outcome="completed"}': "0+70x60",
            'ray_everruns_turns_total{outcome="failed"}': "0+30x60",
        },
        {
            'ray_everruns_turns_total{outcome="completed"}': "0+90x60",
            'ray_everruns_turns_total{outcome="failed"}': "0+10x60",
        },
    ),
    "EverrunsProviderErrors": (
        {
            'ray_everruns_model_calls_total{outcome="success"}': "0+80x60",
            'ray_everruns_model_calls_total{outcome="PROVIDER_TIMEOUT"}': "0+20x60",
        },
        {
            'ray_everruns_model_calls_total{outcome="success"}': "0+80x60",
            'ray_everruns_model_calls_total{outcome="interrupted"}': "0+20x60",
        },
    ),
    "EverrunsBudgetNearlySpent": (
        {"ray_everruns_budget_used_ratio": "0.95x60"},
        {"ray_everruns_budget_used_ratio": "0.85x60"},
    ),
    "EverrunsHostLost": (
        {"ray_everruns_hosts_lost_total": "0x50 1x10"},
        {"ray_everruns_hosts_lost_total": "0x10 1x50"},
    ),
    "EverrunsHostsLost": (
        {"ray_everruns_hosts_lost_total": "0x50 1+1x10"},
        {"ray_everruns_hosts_lost_total": "0x50 1x10"},
    ),
    "EverrunsNoRoom": (
        {"ray_everruns_placements_refused_total": "0x57 5x3"},
        {"ray_everruns_placements_refused_total": "0x10 5x50"},
    ),
    "EverrunsOverloaded": (
        {'ray_everruns_http_errors_total{code="STORE_OVERLOADED"}': "0+10x60"},
        {'ray_everruns_http_errors_total{code="NOT_FOUND"}': "0+10x60"},
    ),
    "EverrunsJournalLag": (
        {"ray_everruns_journal_lag_seconds": "0+60x60"},
        {"ray_everruns_journal_lag_seconds": "0.25x60"},
    ),
    "EverrunsEventLoopLate": (
        {'ray_everruns_event_loop_lag_seconds{process="registry"}': "2x60"},
        {'ray_everruns_event_loop_lag_seconds{process="registry"}': "0.2x60"},
    ),
    "EverrunsSpansDropped": (
        {"ray_everruns_spans_dropped_total": "0x50 3x10"},
        {"ray_everruns_spans_dropped_total": "0x60"},
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_the_committed_file_is_what_the_tables_say(name: str):
    committed = (ROOT / "config" / "observability" / name).read_text()
    assert committed == FILES[name](), "run `make monitoring`"


def expressions() -> list[str]:
    shown = [query.expression for row in ROWS for panel in row.panels for query in panel.queries]
    return [*shown, *(alert.expression for alert in ALERTS)]


def test_only_metrics_that_there_are_are_asked_for():
    asked = {name for each in expressions() for name in re.findall(r"ray_(everruns_\w+)", each)}
    assert {name.removesuffix("_bucket") for name in asked} == NAMES, "or a metric is not shown"


def test_panels_do_not_overlap():
    panels = json.loads(FILES["grafana.json"]())["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (at["x"] + column, at["y"] + line)
            for column in range(at["w"])
            for line in range(at["h"])
        }
        assert not taken & cells
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_is_explained(metric: Any):
    labels = f"{{{', '.join(metric.labels)}}}" if metric.labels else ""
    where = metric.process or "each process"
    row = f"| `{metric.name}{labels}` | {metric.kind} | {where} | {metric.meaning} |"
    assert row in OBSERVABILITY


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_is_explained(alert: Any):
    assert f"| `{alert.name}` | {alert.severity} | {alert.summary} |" in OBSERVABILITY


def test_every_alert_has_a_case_here():
    assert set(CASES) == {alert.name for alert in ALERTS}


def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path):
    (tmp_path / "alerts.yaml").write_text(alert_rules())
    tests = [
        {
            "interval": "1m",
            "input_series": [
                {"series": series, "values": values} for series, values in inputs.items()
            ],
            "alert_rule_test": [
                {"eval_time": "1h", "alertname": alert.name, "exp_alerts": expected}
            ],
        }
        for alert in ALERTS
        for inputs, expected in zip(CASES[alert.name], ([_firing(alert)], []), strict=True)
    ]
    document = {"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump(document))

    check_with_promtool(tmp_path, "check", "rules", "alerts.yaml")
    check_with_promtool(tmp_path, "test", "rules", "cases.yaml")


def _firing(alert: Any) -> dict[str, Any]:
    labels = {"severity": alert.severity}
    if alert.name == "EverrunsEventLoopLate":
        labels["process"] = "registry"
    annotations = {"summary": alert.summary, "description": alert.action}
    return {"exp_labels": labels, "exp_annotations": annotations}


def test_prometheus_takes_its_settings(tmp_path: Path):
    for name in ("alerts.yaml", "prometheus.yaml"):
        (tmp_path / name).write_text(FILES[name]())
    check_with_promtool(tmp_path, "check", "config", "prometheus.yaml")


def check_with_promtool(folder: Path, *arguments: str) -> None:
    try:
        program = find_program("promtool")
    except RuntimeError as error:
        pytest.fail(str(error))
    ran = subprocess.run([program, *arguments], check=False, cwd=folder, capture_output=True)
    assert ran.returncode == 0, (ran.stdout + ran.stderr).decode()


def test_grafana_is_told_where_the_dashboards_and_prometheus_are():
    files = grafana_settings(Path("/srv/metrics/grafana"), "http://localhost:9091")

    settings = ConfigParser()
    settings.read_string(files["grafana.ini"])
    (source,) = yaml.safe_load(files["provisioning/datasources/default.yml"])["datasources"]
    (shown,) = yaml.safe_load(files["provisioning/dashboards/default.yml"])["providers"]
    assert settings["paths"]["provisioning"] == "/srv/metrics/grafana/provisioning"
    assert (source["type"], source["url"]) == ("prometheus", "http://localhost:9091")
    assert shown["options"]["path"] == "/srv/metrics/grafana/dashboards"
