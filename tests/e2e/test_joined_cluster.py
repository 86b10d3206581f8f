"""A Ray cluster that is there already, started and used with the commands that are printed."""

import signal
import time
from collections.abc import Iterator

import httpx
import pytest
import ray
import yaml

from actors.clusters.ports import free_port, is_port_free
from tests.e2e.ray_cluster import (
    COMMANDS,
    ROOT,
    Foreground,
    RayCluster,
    documented_commands,
    printed_commands,
    started_with,
    status_of,
    statuses_until,
)

# Ten on a quiet machine.
STOP_WITHIN_S = 20
OTHER = """
from ray import serve


@serve.deployment(ray_actor_options={"num_cpus": 0})
class Other:
    def __call__(self):
        return "other"


app = Other.bind()
"""
BROKEN_PACKAGE = {
    "broken_package-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: broken-package\n",
    "broken_package-1.dist-info/entry_points.txt": (
        "[everruns.capabilities]\nbroken = no_such_module:IT\n"
    ),
}


# What the document on operations prints: how Ray is started, and the three ways to serve on it.
START_RAY, (JOIN, DEPLOY, RUN) = (
    [command.partition("    #")[0].rstrip() for command in block]
    for block in documented_commands("Clusters that are there already")
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """The cluster as it is documented: a start takes seconds."""
    with started_with(START_RAY) as cluster:
        for name, content in BROKEN_PACKAGE.items():
            file = cluster.packages / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(content)
        yield cluster


def serve(cluster: RayCluster, *words: str) -> str:
    return " ".join([JOIN.replace("127.0.0.1:6379", cluster.address), *words])


def test_serve_yaml_prints_the_commands_of_the_document() -> None:
    printed = [
        command.partition("    #")[0].rstrip() for command in printed_commands("config/serve.yaml")
    ]

    assert printed == [*START_RAY, DEPLOY]


def test_the_recipe_of_serve_yaml_serves_and_no_request_is_answered_404_before(
    cluster: RayCluster,
) -> None:
    sent = cluster.run(DEPLOY)

    assert sent.returncode == 0, sent.stderr
    statuses = statuses_until(lambda status: status == 200, cluster.url)
    assert statuses <= {None, 200, 503}


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ("-u RAY_AUTH_MODE", "It asks for its token. Set RAY_AUTH_MODE=token"),
        (f"RAY_AUTH_TOKEN={'0' * 64}", "Its token is not the one that was given"),
        ("HOME=/nowhere", "no token was found"),
    ],
)
def test_without_its_token_one_line_says_how_it_is_given(
    cluster: RayCluster, environment: str, says: str
) -> None:
    refused = cluster.run(f"env {environment} {serve(cluster)}")

    assert refused.returncode == 1
    assert says in refused.stderr
    assert refused.stderr.count("\n") == 1, refused.stderr


def test_a_misspelt_setting_is_told_in_one_line_and_what_runs_goes_on(cluster: RayCluster) -> None:
    right = (cluster.folder / "config/serve.yaml").read_text()
    (cluster.folder / "wrong.yaml").write_text(right.replace("replicas: 1", "replicsa: 1"))
    cluster.run(DEPLOY)
    statuses_until(lambda status: status == 200, cluster.url)

    cluster.run("serve deploy wrong.yaml")

    said = ""
    deadline = time.monotonic() + 60
    while "DEPLOY_FAILED" not in said and time.monotonic() < deadline:
        said = cluster.run("serve status").stdout
    assert "replicsa is not a setting. Did you mean replicas?" in " ".join(said.split())
    assert "Traceback" not in said
    assert status_of(cluster.url) == 200


@pytest.mark.long
def test_what_kubernetes_is_told_to_serve_is_served_to_those_with_a_key() -> None:
    manifest, *_ = yaml.safe_load_all((ROOT / "config/kuberay.yaml").read_text())
    with started_with(START_RAY) as cluster:
        told = manifest["spec"]["serveConfigV2"].replace(": 9300", f": {cluster.port}")
        (cluster.folder / "kubernetes.yaml").write_text(told)

        sent = cluster.run("serve deploy kubernetes.yaml")

        assert sent.returncode == 0, sent.stderr
        statuses_until(lambda status: status == 200, cluster.url)
        assert httpx.get(f"{cluster.url}/v1/agents").status_code == 401


def stop_by_ctrl_c(server: Foreground) -> None:
    """Stop a server, which must not take longer than it promises."""
    stopping = time.monotonic()
    server.process.send_signal(signal.SIGINT)
    server.process.wait(STOP_WITHIN_S)
    assert time.monotonic() - stopping < STOP_WITHIN_S


def test_a_server_is_stopped_and_started_again_on_its_port(cluster: RayCluster) -> None:
    port = free_port()
    with cluster.running(serve(cluster, "--port", str(port))) as server:
        banner = server.wait_for("Stop with Ctrl-C")
        assert f"Everruns is ready at http://127.0.0.1:{port}" in banner
        assert "could not be loaded: broken (ModuleNotFoundError: No module" in banner
        assert status_of(f"http://127.0.0.1:{port}") == 200
        stop_by_ctrl_c(server)
    assert is_port_free("127.0.0.1", port)
    assert "Traceback" not in server.printed

    with cluster.running(serve(cluster, "--port", str(port))) as again:
        again.wait_for(f"Everruns is ready at http://127.0.0.1:{port}")
        assert status_of(f"http://127.0.0.1:{port}") == 200
        # Another stop would take ten seconds more; the cluster ends after the last test here.
        again.process.kill()
        again.process.wait()


# Three more starts; each takes a quarter of a minute.
@pytest.mark.long
def test_a_server_is_started_again_after_a_kill_and_on_another_port(cluster: RayCluster) -> None:
    first, second = free_port(), free_port()

    with cluster.running(serve(cluster, "--port", str(first))) as killed:
        killed.wait_for(f"Everruns is ready at http://127.0.0.1:{first}")
        other = cluster.run(serve(cluster, "--data-dir", "other-data"))
        assert other.returncode == 1
        assert cluster.environment["EVERRUNS_DATA_DIR"] in other.stderr.splitlines()[-1]
        assert status_of(f"http://127.0.0.1:{first}") == 200
        killed.process.kill()
        killed.process.wait()

    for port in (first, second):
        with cluster.running(serve(cluster, "--port", str(port))) as again:
            again.wait_for(f"Everruns is ready at http://127.0.0.1:{port}")
            assert status_of(f"http://127.0.0.1:{port}") == 200
            stop_by_ctrl_c(again)
        assert is_port_free("127.0.0.1", port)
        assert "Traceback" not in again.printed


@pytest.fixture(scope="module")
def plain() -> Iterator[RayCluster]:
    """A cluster without a token and without HAProxy."""
    with started_with(["export RAY_AUTH_MODE=disabled", "ray start --head"]) as cluster:
        yield cluster


@pytest.mark.long
def test_serve_run_serves_where_the_file_says_until_ctrl_c(plain: RayCluster) -> None:
    with plain.running(RUN):
        statuses_until(lambda status: status == 200, plain.url)
        assert "everruns:" in plain.run("serve status").stdout

    statuses_until(lambda status: status is None, plain.url)


@pytest.mark.long
def test_an_api_that_cannot_start_says_where_the_logs_are(plain: RayCluster) -> None:
    # Another version of the package on the cluster's nodes.
    (plain.packages / "serve_app.py").write_text("raise ImportError")

    refused = plain.run(f"PYTHONPATH={ROOT} {serve(plain)} --port {free_port()}")

    (plain.packages / "serve_app.py").unlink()
    assert refused.returncode == 1
    told = refused.stderr.splitlines()[-1]
    assert told.startswith("everruns: The API did not start: ")
    assert told.endswith("/logs.")
    assert "Traceback" not in refused.stderr


@pytest.mark.long
def test_another_application_keeps_running_and_its_port_is_used(plain: RayCluster) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (plain.folder / "other.py").write_text(OTHER)
    plain.run(f"serve start --http-host 127.0.0.1 --http-port {port}")
    begun = plain.run("serve run --non-blocking --name other --route-prefix /other other:app")
    assert begun.returncode == 0, begun.stderr

    with plain.running(serve(plain, "--port", str(free_port()))) as server:
        banner = server.wait_for("Stop with Ctrl-C")
        assert f"Everruns is ready at {url}" in banner
        assert f"Ray Serve on this cluster listens on 127.0.0.1:{port} for other" in banner
        assert status_of(url) == 200
        server.process.send_signal(signal.SIGINT)
        server.process.wait(STOP_WITHIN_S)

    assert httpx.get(f"{url}/other").text == "other"
    assert status_of(url) == 404


@pytest.mark.long
def test_a_cluster_is_protected_with_the_certificates_as_documented() -> None:
    (openssl,) = documented_commands("What protects a cluster")
    (variables,) = documented_commands("What protects a cluster", "bash")
    (start,) = {
        # Without what `ray up` has put there for the workers.
        command.partition("; ")[2].partition("; ")[2].partition(" --autoscaling-config")[0]
        for command in (ROOT / "config/cluster.yaml").read_text().splitlines()
        if "--head" in command
    }
    node: str = ray.util.get_node_ip_address()
    commands = [
        "\n".join(openssl).replace("NODE_ADDRESS", node),
        "openssl rand -hex 32 > ray_token",
        "cat > ray.env <<END",
        *(
            line.replace("/etc/everruns", "$PWD").replace("/opt/everruns/bin", str(COMMANDS))
            for line in variables
        ),
        "END",
        "set -a; . ./ray.env",
        start,
    ]
    with (
        started_with(commands) as cluster,
        cluster.running(serve(cluster, "--port", str(cluster.port))) as server,
    ):
        server.wait_for(f"Everruns is ready at {cluster.url}")
        bare = cluster.run(f"env -u RAY_USE_TLS {serve(cluster)} --data-dir other")

    assert bare.returncode == 1
    assert "set RAY_USE_TLS=1" in bare.stderr
