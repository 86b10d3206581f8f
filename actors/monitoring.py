"""The dashboard, alerts and settings for Grafana and Prometheus, where Ray keeps its own.

Ray's dashboard writes a folder for Grafana and one for Prometheus when it starts, and empties the
first; while it runs, it also keeps the list of the pages of metrics. Ours are put next to Ray's, so
that a Grafana with Ray's settings has our dashboard too. On a cluster of the server's own, where
Ray's dashboard may never run, what it would write is written here.
"""

import asyncio
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import ray
import structlog
from ray.exceptions import RayError

from actors.clusters.ports import is_listening
from actors.names import HEAD_NODE
from actors.serving.leftovers import is_own_cluster
from everruns.log import error_kind
from everruns.process_environment import get_environment
from everruns.telemetry.monitoring.files import (
    PROMETHEUS,
    alert_rules,
    dashboard,
    grafana_settings,
    prometheus_settings,
)

LOOK_EVERY_S = 15.0
PAGES = "prom_metrics_service_discovery.json"
# From a file in the folder for Prometheus.
DISCOVERY = f"../../{PAGES}"
# Where Ray keeps the addresses of pages that do not belong to a node.
FURTHER_PAGES = (b"AutoscalerMetricsAddress", b"DashboardMetricsAddress")

log = structlog.get_logger(__name__)


async def keep_monitoring(*, is_on_head: bool) -> None:
    """Keep the files on the node that runs Ray's dashboard, while this process runs.

    The server lacks nothing without them, so a failure is only logged.

    Args:
        is_on_head: Whether this is that node for certain. On another one, the files are written
            over there, once.
    """
    problem = ""
    while True:
        try:
            is_here = await asyncio.to_thread(put_monitoring)
            if not is_here and not is_on_head:
                await _put_on_head()
                return
        except (OSError, RayError) as error:
            if error_kind(error) != problem:
                problem = error_kind(error)
                log.warning("dashboard for Grafana not written", error=problem)
        await asyncio.sleep(LOOK_EVERY_S)


async def _put_on_head() -> None:
    put: Any = ray.remote(put_monitoring).options(num_cpus=0, resources=HEAD_NODE)
    await put.remote()


def put_monitoring() -> bool:
    """Write what is not there as it should be; return whether its folders are here.

    Raises:
        OSError: They cannot be written.
        RayError: Ray does not know its nodes.
    """
    session = _session_folder()
    metrics = session / "metrics"
    contents = {
        metrics / "grafana" / "dashboards" / "everruns.json": dashboard(),
        metrics / "prometheus" / "alerts.yaml": alert_rules(),
        metrics / "prometheus" / "everruns.yaml": prometheus_settings(DISCOVERY),
    }
    if is_own_cluster():
        _put_what_rays_dashboard_would(session)
    # Elsewhere Ray's dashboard makes their folders when it starts.
    elif not all(path.parent.is_dir() for path in contents):
        return False
    for path, content in contents.items():
        if not path.exists() or path.read_text() != content:
            _put(path, content)
    return True


def _put_what_rays_dashboard_would(session: Path) -> None:
    """Write the list of the pages of metrics, and settings for Grafana unless there are some."""
    pages, listed = _metrics_pages(), session / PAGES
    if not listed.exists() or _targets(listed) != pages:
        _put(listed, json.dumps([{"labels": {"job": "ray"}, "targets": sorted(pages)}]))
    folder = session / "metrics" / "grafana"
    if not (folder / "grafana.ini").exists():
        where = get_environment("RAY_PROMETHEUS_HOST") or PROMETHEUS
        for name, content in grafana_settings(folder, where).items():
            _put(folder / name, content)


def _metrics_pages() -> set[str]:
    """Return the addresses of all pages of metrics on the cluster."""
    worker: Any = import_module("ray._private.worker")
    kept = worker.global_worker.gcs_client
    nodes: list[Any] = [node for node in ray.nodes() if node["Alive"]]
    noted = (kept.internal_kv_get(key, None) for key in FURTHER_PAGES)
    further = (address.decode() for address in noted if address)
    return {
        *(f"{node['NodeManagerAddress']}:{node['MetricsExportPort']}" for node in nodes),
        # A dashboard that was killed has left its address.
        *filter(is_listening, further),
    }


def _targets(listed: Path) -> set[str]:
    try:
        return {target for group in json.loads(listed.read_text()) for target in group["targets"]}
    except (ValueError, KeyError, TypeError):
        return set()


def _put(path: Path, content: str) -> None:
    """Replace a file in one step, because others may read it at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_text(content)
    # Grafana and Prometheus may run as users of their own.
    new.chmod(0o644)
    new.replace(path)


def _session_folder() -> Path:
    """Return the folder of this node's part of Ray's session, for which Ray has no public name."""
    worker: Any = import_module("ray._private.worker")
    return Path(worker.global_worker.node.get_session_dir_path())
