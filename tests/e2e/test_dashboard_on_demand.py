"""Ray's dashboard of a server that runs without it, while somebody wants to look."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from actors.clusters.ports import free_port
from bench.prometheus import session_folder, wait
from bench.server import Server
from tests.e2e.command_line import everruns

UP_WITHIN_S = 240.0
LISTED_WITHIN_S = 60.0
LINKED_WITHIN_S = 60.0
ADDRESS = re.compile(r"Ray's dashboard is at (http://\S+)")


@contextmanager
def running(server: Server, folder: Path) -> Generator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Run ``everruns dashboard`` on a port of its own; give its address and process."""
    printed = folder / "printed"
    command = [sys.executable, "-m", "everruns.cli", "dashboard", "--port", str(free_port())]
    environment = {**os.environ, "EVERRUNS_DATA_DIR": server.data_dir}
    with (
        printed.open("w") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process,
    ):
        try:

            def is_up() -> bool:
                assert process.poll() is None, printed.read_text()
                return ADDRESS.search(printed.read_text()) is not None

            wait(is_up, UP_WITHIN_S, "The dashboard did not come up.")
            assert "everruns token --data-dir" in printed.read_text()
            (url,) = ADDRESS.findall(printed.read_text())
            yield url, process
        finally:
            process.kill()


def is_open(url: str) -> bool:
    parts = httpx.URL(url)
    with socket.socket() as caller:
        return caller.connect_ex((parts.host, parts.port)) == 0


def link(server: Server) -> str | None:
    """Return the address of the dashboard that the server tells."""
    return httpx.get(f"{server.address}/v1/cluster", timeout=30).json().get("ray_dashboard")


def has_metrics(page: str) -> bool:
    """Tell whether a page has metrics of ours by now."""
    return "ray_everruns_" in httpx.get(f"http://{page}/metrics", timeout=30).text


def listed_pages(server: Server) -> set[str]:
    """Return the pages of metrics that Prometheus finds."""
    listed = session_folder(server) / "prom_metrics_service_discovery.json"
    wait(listed.exists, LISTED_WITHIN_S, f"There is no {listed}.")
    return {target for group in json.loads(listed.read_text()) for target in group["targets"]}


def test_it_shows_the_actors_to_whoever_has_the_token_and_goes_with_ctrl_c(
    server: Server, tmp_path: Path
) -> None:
    token = everruns("token", EVERRUNS_DATA_DIR=server.data_dir).stdout.strip()
    before = listed_pages(server)
    with running(server, tmp_path) as (url, process):
        refused = httpx.get(f"{url}/logical/actors", timeout=60)
        by_token = {"Authorization": f"Bearer {token}"}
        shown = httpx.get(f"{url}/logical/actors", headers=by_token, timeout=60)
        second = everruns("dashboard", EVERRUNS_DATA_DIR=server.data_dir)

        process.send_signal(signal.SIGINT)
        ended = process.wait(60)

    assert refused.status_code == 401
    names = {actor["name"] for actor in shown.json()["data"]["actors"].values()}
    assert {"registry", "session-actor-0"} <= names
    assert second.returncode == 1
    assert f"runs already, at {url}" in second.stderr
    assert ended == 0
    wait(lambda: not is_open(url), UP_WITHIN_S, "Something still listens there.")
    wait(lambda: listed_pages(server) == before, LISTED_WITHIN_S, "Its page is still asked for.")
    assert httpx.get(f"{server.address}/ready").is_success


def test_one_that_was_killed_is_no_hindrance(server: Server, tmp_path: Path) -> None:
    with running(server, tmp_path) as (first, process):
        process.kill()
        wait(lambda: not is_open(first), UP_WITHIN_S, "It outlives the command.")

    with running(server, tmp_path) as (second, _):
        assert is_open(second)


def test_the_state_of_the_cluster_has_its_link_while_it_answers(
    server: Server, tmp_path: Path
) -> None:
    with running(server, tmp_path) as (url, process):
        wait(lambda: link(server) == url, LINKED_WITHIN_S, "There is no link.")

        process.kill()
        wait(lambda: not is_open(url), UP_WITHIN_S, "It outlives the command.")

        wait(lambda: link(server) is None, LINKED_WITHIN_S, "A dead link is told.")


def test_metrics_are_read_and_drawn_without_it(server: Server) -> None:
    # The agent that has them is not waited for when a server starts, and a dashboard that was
    # killed leaves the list some time later.
    wait(
        lambda: all(is_open(f"http://{page}") for page in listed_pages(server)),
        LISTED_WITHIN_S,
        "A page of metrics does not answer.",
    )
    wait(
        lambda: any(map(has_metrics, listed_pages(server))),
        LISTED_WITHIN_S,
        "Our metrics are on no page.",
    )

    metrics = session_folder(server) / "metrics"
    for name in ("grafana/grafana.ini", "grafana/dashboards/everruns.json"):
        wait((metrics / name).exists, LISTED_WITHIN_S, f"There is no {name}.")
    assert (metrics / "prometheus" / "everruns.yaml").exists()


def test_without_a_server_it_says_how_to_get_one(tmp_path: Path) -> None:
    refused = everruns("dashboard", EVERRUNS_DATA_DIR=str(tmp_path))

    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "everruns serve" in refused.stderr
