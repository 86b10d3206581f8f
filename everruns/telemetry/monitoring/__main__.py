"""Write the files for Grafana and Prometheus: `python -m everruns.telemetry.monitoring FOLDER`."""

import sys
from pathlib import Path

from everruns.telemetry.monitoring.files import (
    ALERTS_FILE,
    alert_rules,
    dashboard,
    prometheus_settings,
)

FILES = {
    "grafana.json": dashboard,
    ALERTS_FILE: alert_rules,
    "prometheus.yaml": prometheus_settings,
}


def main(folder: Path) -> None:
    """Write them into a folder."""
    for name, content in FILES.items():
        (folder / name).write_text(content())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
