"""A conversation that begins on DuckDB and goes on with PostgreSQL."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.postgres import database_on
from bench.server import running_server
from tests.e2e.command_line import everruns
from tests.e2e.conversation import post, say, start_session, types
from tests.postgres import postgres_server

# Ended by nothing but the server's stop.
SLOW = {
    "name": "slow",
    "provider_type": "simulated",
    "settings": {"tokens": 80, "tokens_per_s": 20},
}


def log_of(client: httpx.Client, session_id: str) -> list[dict[str, Any]]:
    path = f"/v1/sessions/{session_id}/events"
    return client.get(path, headers={"accept": "application/json"}).json()["data"]


# Two starts.
@pytest.mark.long
def test_a_server_on_postgresql_goes_on_with_what_a_data_directory_has(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    with database_on(postgres_server()) as url:
        with running_server(EVERRUNS_DATA_DIR=data, EVERRUNS_DASHBOARD="false") as before:
            with httpx.Client(base_url=before.address, timeout=30) as client:
                session_id = start_session(client, default_model_id="simulated/simulated-1")
                say(client, session_id, "Remember me")
                log = log_of(client, session_id)
                slow = post(client, "/v1/llm-providers", SLOW)["models"][0]["id"]
                open_turn = start_session(client, default_model_id=slow)
                post(client, f"/v1/sessions/{open_turn}/messages", {"content": "Talk."})
            refused = everruns("migrate", "--from", data, EVERRUNS_DATABASE_URL=url)
            assert refused.returncode == 1
            assert f"in use by the server at {before.address}" in refused.stderr

        copied = everruns("migrate", "--from", data, EVERRUNS_DATABASE_URL=url)
        assert copied.returncode == 0, copied.stderr

        with (
            running_server(
                EVERRUNS_DATA_DIR=data, EVERRUNS_DATABASE_URL=url, EVERRUNS_DASHBOARD="false"
            ) as after,
            httpx.Client(base_url=after.address, timeout=30) as client,
        ):
            assert log_of(client, session_id) == log
            assert types(say(client, session_id, "Who am I?"))[-1] == "session.completed"
            assert types(say(client, open_turn, "And?"))[-1] == "session.completed"
