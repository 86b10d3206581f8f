"""Draws the dashboard for the documentation: ``python -m bench.pictures``.

A server is kept lively for some minutes while a real Prometheus watches it. The queries of the
dashboard are asked of that Prometheus, and their answers drawn as a page, of which a browser makes
a picture. Grafana is not needed, and what it would draw looks different.
"""

import asyncio
import re
import subprocess
import sys
import time
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.browser import find_browser
from bench.lively import Lively
from bench.prometheus import Prometheus, Series, watching
from bench.server import running_server
from everruns.telemetry.monitoring.panels import ROWS, Panel, Query

LIVELY_S = 180.0
CLIENTS = 10
SCRAPED_EVERY_S = 2
STEP_S = 4
INTERVAL = "40s"
PICTURE = Path("dashboard.png")
COLOURS = ("#3274d9", "#e0752d", "#37872d", "#c4162a", "#8f3bb8", "#0a7ea4", "#b58b00", "#777777")
PAGE_WIDTH = 1280
WIDTH, HEIGHT = 300, 90
MAX_LEGENDS = 5

STYLE = """
body { font: 11px sans-serif; margin: 12px; background: #f4f5f5; color: #222 }
h1 { font-size: 14px; margin: 10px 0 4px }
.row { display: grid; grid-template-columns: repeat(4, 1fr); gap: 6px }
.panel { background: white; border: 1px solid #ddd; padding: 5px }
.title { font-weight: bold } .scale { color: #666; float: right }
svg { display: block; width: 100%; background: #fafafa } .legend { line-height: 14px }
"""


def main(picture: Path) -> None:
    """Draw the picture."""
    with (
        running_server(
            EVERRUNS_HIBERNATE_AFTER_S="20",
            RAY_metrics_report_interval_ms="2000",
        ) as server,
        watching(server, SCRAPED_EVERY_S) as prometheus,
    ):
        began = time.time()
        until = time.monotonic() + LIVELY_S
        asyncio.run(Lively(server.address).run(CLIENTS, lambda: time.monotonic() > until))
        page = _page(prometheus, began + float(INTERVAL.removesuffix("s")), time.time())
    _photograph(page, picture)


def _page(prometheus: Prometheus, start: float, end: float) -> str:
    parts = [f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>"]
    for row in ROWS:
        panels = "".join(_panel(prometheus, panel, start, end) for panel in row.panels)
        parts.append(f'<h1>{escape(row.title)}</h1><div class="row">{panels}</div>')
    return "".join(parts)


def _panel(prometheus: Prometheus, panel: Panel, start: float, end: float) -> str:
    lines: list[tuple[str, Series]] = []
    for query in panel.queries:
        expression = query.expression.replace("$__rate_interval", INTERVAL)
        found = prometheus.values(expression, start, end, STEP_S)
        lines += [(_legend(query, series), series) for series in found]
    top = max((value for _, line in lines for _, value in line.points), default=0)
    drawn = "".join(
        _line(line, COLOURS[place % len(COLOURS)], start, end, top or 1.0)
        for place, (_, line) in enumerate(lines)
    )
    legends = [
        f'<span style="color:{COLOURS[place % len(COLOURS)]}">■</span> {escape(name)}'
        for place, (name, _) in enumerate(lines[:MAX_LEGENDS])
    ]
    more = " …" if len(lines) > MAX_LEGENDS else ""
    return (
        f'<div class="panel"><span class="scale">0 to {top:.3g} {escape(panel.unit)}</span>'
        f'<span class="title">{escape(panel.title)}</span>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}">{drawn}</svg>'
        f'<div class="legend">{" ".join(legends)}{more}</div></div>'
    )


def _legend(query: Query, series: Series) -> str:
    named = re.sub(r"{{(\w+)}}", lambda found: series.labels.get(found[1], ""), query.legend)
    # The mark that makes each run's providers its own.
    return re.sub(r"-\d{10,}", "", named)


def _line(series: Series, colour: str, start: float, end: float, top: float) -> str:
    points = " ".join(
        f"{WIDTH * (at - start) / (end - start):.1f},{(HEIGHT - 4) * (1 - value / top) + 2:.1f}"
        for at, value in series.points
    )
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _photograph(page: str, picture: Path) -> None:
    browser = find_browser()
    with TemporaryDirectory(prefix="everruns-pictures-") as folder:
        source = Path(folder) / "page.html"
        source.write_text(page)
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        size = f"--window-size={PAGE_WIDTH},{_height()}"
        where = [f"--screenshot={picture}", source.as_uri()]
        subprocess.run([browser, *arguments, size, *where], check=True, capture_output=True)


def _height() -> int:
    lines = sum(-(-len(row.panels) // 4) for row in ROWS)
    return 30 * len(ROWS) + 165 * lines + 30


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
