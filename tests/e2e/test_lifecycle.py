"""Starting, stopping and sharing a machine."""

import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from bench.server import Server
from tests.e2e.command_line import everruns
from tests.e2e.conversation import post, read_turn, say, start_session, types
from tests.servers import small_server

STOP_WITHIN_S = 30
SLOW = {
    "name": "slow",
    "provider_type": "simulated",
    "settings": {"tokens": 80, "tokens_per_s": 20},
}


def test_no_process_is_started_that_has_nothing_to_do(server: Server) -> None:
    started: list[str] = []
    for process in server.process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # It has ended meanwhile.
            started.append(" ".join(process.cmdline()))

    for idle in ("ray/_private/log_monitor.py", "_private/monitor.py", "dashboard/dashboard.py"):
        assert not [command for command in started if idle in command]


def test_a_second_server_on_the_same_data_is_refused_and_told_of_the_first(
    server: Server,
) -> None:
    refused = everruns("serve", "--port", "0", EVERRUNS_DATA_DIR=server.data_dir)

    assert refused.returncode == 1
    assert f"in use by the server at {server.address}" in refused.stderr


# Two starts; what it shows in one piece is shown in parts by the tests of motion and of faults.
@pytest.mark.long
def test_a_server_beside_another_serves_stops_at_once_and_goes_on_where_it_stood(
    server: Server, tmp_path: Path
) -> None:
    data = str(tmp_path / "data")
    with small_server(EVERRUNS_DATA_DIR=data) as second:
        with httpx.Client(base_url=second.address, timeout=30) as client:
            session_id = start_session(client, default_model_id="simulated/simulated-1")
            say(client, session_id, "Remember me")
            log = client.get(
                f"/v1/sessions/{session_id}/events", headers={"accept": "application/json"}
            ).json()
            slow = post(client, "/v1/llm-providers", SLOW)["models"][0]["id"]
            open_turn = start_session(client, default_model_id=slow)
            post(client, f"/v1/sessions/{open_turn}/messages", {"content": "Talk."})
            with client.stream("GET", f"/v1/sessions/{open_turn}/events") as stream:
                next(line for line in stream.iter_lines() if line.startswith("event: message.d"))
        assert httpx.get(f"{server.address}/ready").is_success
        processes = [second.process, *second.process.children(recursive=True)]

        stopping = time.monotonic()
        second.process.send_signal(signal.SIGINT)
        second.process.wait(STOP_WITHIN_S)

        assert time.monotonic() - stopping < STOP_WITHIN_S
        _, alive = psutil.wait_procs(processes, timeout=1)
        assert alive == []

    assert httpx.get(f"{server.address}/ready").is_success
    with (
        small_server(EVERRUNS_DATA_DIR=data) as again,
        httpx.Client(base_url=again.address, timeout=30) as client,
    ):
        kept = client.get(
            f"/v1/sessions/{session_id}/events", headers={"accept": "application/json"}
        ).json()
        assert kept == log
        assert say(client, session_id, "Again")[-1]["type"] == "session.completed"
        assert types(read_turn(client, open_turn)) == [
            "message.created",
            "session.started",
            "message.created",
            "session.completed",
        ]


def test_no_file_of_the_data_directory_is_open_to_others(server: Server) -> None:
    folder = Path(server.data_dir)

    assert folder.stat().st_mode & 0o077 == 0
    # A link is as open as what it leads to, and the logs are in a folder of their own.
    files = [path for path in folder.iterdir() if not path.is_symlink()]
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


@pytest.mark.parametrize(
    ("words", "environment", "says"),
    [
        (["serve", "--port", "70000"], {}, "port"),
        (["config"], {"EVERRUNS_PORT": "many"}, "port"),
        (["keys", "revoke", "key_1"], {}, "keys list"),
        (["token"], {}, "No server has been started"),
        (["config"], {"EVERRUNS_ATUH": "api_keys"}, "EVERRUNS_ATUH"),
    ],
)
def test_a_wrong_command_or_setting_answers_with_what_would_be_right(
    tmp_path: Path, words: list[str], environment: dict[str, str], says: str
) -> None:
    answer = everruns(*words, EVERRUNS_DATA_DIR=str(tmp_path), **environment)

    assert answer.returncode != 0
    assert says in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("words", [["token"], ["keys", "create", "laptop"]])
def test_a_data_directory_that_cannot_be_is_one_line(tmp_path: Path, words: list[str]) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()

    refused = everruns(*words, EVERRUNS_DATA_DIR=str(in_the_way / "data"))

    assert refused.returncode == 1
    assert str(in_the_way) in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_variables_of_the_sdk_in_the_same_shell_are_no_mistakes(tmp_path: Path) -> None:
    sdk = {"EVERRUNS_API_KEY": "evr_1", "EVERRUNS_API_URL": "http://x", "EVERRUNS_ORG_ID": "org_1"}

    assert everruns("config", EVERRUNS_DATA_DIR=str(tmp_path), **sdk).returncode == 0


def test_a_key_is_shown_once_and_kept_as_a_digest(tmp_path: Path) -> None:
    made = everruns("keys", "create", "laptop", EVERRUNS_DATA_DIR=str(tmp_path))
    secret = made.stdout.strip()

    listed = everruns("keys", "list", EVERRUNS_DATA_DIR=str(tmp_path))

    assert re.fullmatch(r"evr_[\w-]{40,}", secret)
    assert "laptop" in listed.stdout
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert all(secret.encode() not in content for content in kept)


def test_keys_are_managed_on_a_running_server_as_on_a_stopped_one(server: Server) -> None:
    made = everruns("keys", "create", "laptop", EVERRUNS_DATA_DIR=server.data_dir)
    listed = everruns("keys", "list", EVERRUNS_DATA_DIR=server.data_dir)
    (key_id,) = re.findall(r"(key_[0-9a-f]{32}) .* laptop", listed.stdout)

    revoked, again = (
        everruns("keys", "revoke", key_id, EVERRUNS_DATA_DIR=server.data_dir) for _ in range(2)
    )

    assert [made.returncode, revoked.returncode, again.returncode] == [0, 0, 1]
    assert again.stderr.count("\n") == 1
    assert f"No API key has the id or name {key_id}" in again.stderr
    assert key_id not in everruns("keys", "list", EVERRUNS_DATA_DIR=server.data_dir).stdout


def test_a_running_server_is_backed_up(
    server: Server, client: httpx.Client, tmp_path: Path
) -> None:
    session_id = start_session(client, default_model_id="simulated/simulated-1")
    events = say(client, session_id, "Keep this")
    target = tmp_path / "backup"

    copied = everruns("backup", str(target), EVERRUNS_DATA_DIR=server.data_dir)
    again = everruns("backup", str(target), EVERRUNS_DATA_DIR=server.data_dir)

    assert copied.returncode == 0, copied.stderr
    assert again.returncode == 1
    assert "Name a new directory" in again.stderr
    # Of another process, because opening a store changes its process.
    command = [sys.executable, "-m", "tests.e2e.stored_events", str(target), session_id]
    stored = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert stored == [event["id"] for event in events if not event["type"].endswith(".delta")]
