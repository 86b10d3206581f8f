"""The files for Grafana and Prometheus, written from the tables of panels and alerts.

Source: Grafana's "Dashboard JSON model"; Prometheus' "Configuration" and "Alerting rules".
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from everruns.telemetry.monitoring.alerts import ALERTS, Alert
from everruns.telemetry.monitoring.panels import ROWS, Panel

DASHBOARD_UID = "everruns"
DISCOVERY = "/tmp/ray/prom_metrics_service_discovery.json"  # noqa: S108 - Ray's own place
"""Where Ray keeps the list of its metrics pages, unless it was started with another folder."""

ALERTS_FILE = "alerts.yaml"
PROMETHEUS = "http://localhost:9090"
"""Where Prometheus answers, unless it was told otherwise."""

WIDTH = 24
PANELS_IN_A_LINE = 4
PANEL_HEIGHT = 8
GENERATED = "# Made by `make monitoring`.\n"


@cache
def dashboard() -> str:
    """Return the dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row in ROWS:
        at = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": row.title, "gridPos": at, "panels": []}
        )
        y += 1
        for place, panel in enumerate(row.panels):
            line, column = divmod(place, PANELS_IN_A_LINE)
            width = WIDTH // PANELS_IN_A_LINE
            at = {
                "x": column * width,
                "y": y + line * PANEL_HEIGHT,
                "w": width,
                "h": PANEL_HEIGHT,
            }
            panels.append(_panel(panel, len(panels) + 1, at))
        y += -(-len(row.panels) // PANELS_IN_A_LINE) * PANEL_HEIGHT
    document = {
        "uid": DASHBOARD_UID,
        "title": "Everruns",
        "tags": ["everruns"],
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "schemaVersion": 39,
        "time": {"from": "now-30m", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Data source",
                    "type": "datasource",
                    "query": "prometheus",
                    "hide": 0,
                }
            ]
        },
        "panels": panels,
    }
    return json.dumps(document, indent=2) + "\n"


def _panel(panel: Panel, number: int, at: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": at,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "expr": query.expression,
                "legendFormat": query.legend,
            }
            for place, query in enumerate(panel.queries)
        ],
    }


@cache
def alert_rules() -> str:
    """Return the alerts as Prometheus reads them."""
    group = {"name": "everruns", "rules": [_rule(alert) for alert in ALERTS]}
    return GENERATED + yaml.safe_dump({"groups": [group]}, sort_keys=False, width=100)


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": f"{alert.expression} {alert.beyond}",
        "for": alert.lasting,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "description": alert.action},
    }


def prometheus_settings(discovery: str = DISCOVERY) -> str:
    """Return the settings with which Prometheus reads the metrics and watches over the alerts.

    Args:
        discovery: The file in which Ray lists its metrics pages; relative to that of the settings,
            or absolute.
    """
    settings = {
        "global": {"scrape_interval": "10s", "evaluation_interval": "10s"},
        "rule_files": [ALERTS_FILE],
        "scrape_configs": [{"job_name": "ray", "file_sd_configs": [{"files": [discovery]}]}],
    }
    return GENERATED + yaml.safe_dump(settings, sort_keys=False)


def grafana_settings(folder: Path, prometheus: str) -> dict[str, str]:
    """Return the files with which Grafana shows the dashboard, by their paths in a folder.

    They have the names of those that Ray's dashboard writes, which then replace them.

    Args:
        folder: The folder, absolute. Its dashboards are in ``dashboards``.
        prometheus: Where Prometheus answers.
    """
    shown = {"path": str(folder / "dashboards")}
    source = {"name": "Prometheus", "type": "prometheus", "url": prometheus, "isDefault": True}
    dashboards = {"name": "Everruns", "type": "file", "options": shown}
    return {
        "provisioning/datasources/default.yml": _provision("datasources", source),
        "provisioning/dashboards/default.yml": _provision("providers", dashboards),
        "grafana.ini": "[security]\nallow_embedding = true\n\n"
        "[auth.anonymous]\nenabled = true\norg_name = Main Org.\norg_role = Viewer\n\n"
        f"[paths]\nprovisioning = {folder / 'provisioning'}\n",
    }


def _provision(what: str, one: dict[str, Any]) -> str:
    return yaml.safe_dump({"apiVersion": 1, what: [one]}, sort_keys=False)
