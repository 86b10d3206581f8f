"""`everruns keys` where no server runs, and where one runs that does not answer."""

import json
import os
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from everruns import cli
from everruns.commands import data_directory
from everruns.domain.agents import Agent
from everruns.domain.keys import hash_secret
from everruns.domain.rights import RIGHTS
from everruns.errors import AgentNotFound, Conflict, InvalidRequest, NotFound
from everruns.ids import new_id
from everruns.storage.data_directory.lock import lock_data_directory
from everruns.storage.data_directory.opening import open_store

pytestmark = pytest.mark.usefixtures("umask")


def keys(data_dir: Path, *words: str) -> Result:
    runner = CliRunner()
    return runner.invoke(cli.cli, ["keys", *words, "--data-dir", str(data_dir)])


def test_without_a_server_the_store_is_opened(tmp_path: Path):
    secret = re.search(r"^evr_\S+$", keys(tmp_path, "create", "laptop").output, re.MULTILINE)
    assert secret is not None

    store = open_store(tmp_path)
    (key,) = store.api_keys.list()
    store.close()
    assert (key.name, key.hash) == ("laptop", hash_secret(secret[0]))

    assert key.id in keys(tmp_path, "list").output
    assert keys(tmp_path, "revoke", key.id).exit_code == 0
    assert key.id not in keys(tmp_path, "list").output
    assert isinstance(keys(tmp_path, "revoke", key.id).exception, NotFound)


def test_a_name_that_cannot_be_shown_is_refused_before_anything_is_opened(tmp_path: Path):
    refused = keys(tmp_path / "new", "create", "two\nlines")

    assert isinstance(refused.exception, InvalidRequest)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["", "   "])
def test_a_key_needs_a_name(tmp_path: Path, name: str):
    refused = keys(tmp_path, "create", name)

    assert isinstance(refused.exception, InvalidRequest)
    assert "not only spaces" in refused.exception.message


@pytest.fixture
def agent_id(tmp_path: Path) -> str:
    """An agent in the data directory."""
    agent_id = new_id("agent")
    store = open_store(tmp_path)
    store.agents.put(
        Agent(
            id=agent_id,
            name="clerk",
            harness_id="harness",
            created_at="2026-01-01T00:00:00.000Z",
            updated_at="2026-01-01T00:00:00.000Z",
        )
    )
    store.close()
    return agent_id


def listed(data_dir: Path) -> list[dict]:
    return json.loads(keys(data_dir, "list", "--json").stdout)


def test_a_key_is_bound_to_agents_and_rights(tmp_path: Path, agent_id: str):
    keys(tmp_path, "create", "desk", "--agent", agent_id, "--right", "read", "--right", "send")
    keys(tmp_path, "create", "all of it", "--agent", agent_id)
    keys(tmp_path, "create", "operator")

    assert [(key["name"], key["agent_ids"], key["rights"]) for key in listed(tmp_path)] == [
        ("desk", [agent_id], ["read", "send"]),
        ("all of it", [agent_id], list(RIGHTS)),
        ("operator", [], []),
    ]
    assert all("hash" not in key for key in listed(tmp_path))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--agent", "clerk"], "is not the id of an agent"),
        (["--agent", "agent_" + "0" * 32, "--right", "fly"], "must be one of read, send"),
        (["--right", "read"], "--right goes with --agent"),
    ],
)
def test_a_key_is_not_bound_to_what_cannot_be(tmp_path: Path, words: list[str], reason: str):
    refused = keys(tmp_path, "create", "desk", *words)

    assert isinstance(refused.exception, InvalidRequest)
    assert reason in refused.exception.message


def test_a_key_is_not_bound_to_an_agent_that_is_not_there(tmp_path: Path):
    refused = keys(tmp_path, "create", "desk", "--agent", "agent_" + "0" * 32)

    assert isinstance(refused.exception, AgentNotFound)
    assert listed(tmp_path) == []


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_ids_are_listed_whole_at_any_width(
    tmp_path: Path, agent_id: str, columns: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", columns)
    keys(tmp_path, "create", "desk", "--agent", agent_id)

    shown = keys(tmp_path, "list").output

    assert listed(tmp_path)[0]["id"] in shown
    assert agent_id in shown


def test_a_key_is_revoked_by_a_name_that_only_it_has(tmp_path: Path):
    for name in ("laptop", "phone", "phone"):
        keys(tmp_path, "create", name)

    assert keys(tmp_path, "revoke", "laptop").exit_code == 0
    refused = keys(tmp_path, "revoke", "phone")

    assert isinstance(refused.exception, Conflict)
    assert [key["name"] for key in listed(tmp_path)] == ["phone", "phone"]
    assert all(key["id"] in refused.exception.message for key in listed(tmp_path))


@pytest.mark.parametrize("words", [["--version"], ["version"]])
def test_the_version_is_told(words: list[str]):
    told = CliRunner().invoke(cli.cli, words)

    assert (told.exit_code, told.output) == (0, f"{version('everruns')}\n")


def test_a_server_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(data_directory, "SERVER_TIMEOUT_S", 0.05)
    monkeypatch.setattr(data_directory, "SERVER_POLL_S", 0.01)

    with lock_data_directory(tmp_path, "http://127.0.0.1:9300"):
        refused = keys(tmp_path, "list")

    assert isinstance(refused.exception, Conflict)
    assert "No server answers" in refused.exception.message
    assert f"http://127.0.0.1:9300 (process {os.getpid()})" in refused.exception.message
