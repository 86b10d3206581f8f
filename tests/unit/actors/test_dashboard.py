"""What is said where Ray's dashboard cannot be started for a server."""

import json
import os
import re
import socket
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from ray._private import services

from actors.clusters import dashboard
from everruns.errors import Conflict, NotFound, Unavailable
from everruns.settings import Settings
from everruns.settings_loading import load_settings
from everruns.storage.data_directory.lock import LOCK_FILE
from everruns.storage.data_directory.logs_link import link_logs

SHOWN = b"webui:url"


class Gcs:
    """Ray's GCS, as far as it keeps addresses."""

    kept: dict[bytes, bytes]
    cluster_id = bytes(28)

    def __init__(self, address: str) -> None:
        assert address == "127.0.0.1:6379"

    def internal_kv_get(self, key: bytes, *_: Any) -> bytes | None:
        return self.kept.get(key)

    def internal_kv_put(self, key: bytes, value: bytes, *_: Any) -> None:
        self.kept[key] = value

    def internal_kv_del(self, key: bytes, *_: Any) -> None:
        self.kept.pop(key, None)


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch) -> type[Gcs]:
    monkeypatch.setattr("ray._raylet.GcsClient", Gcs)
    Gcs.kept = {b"dashboard": dashboard.NOBODY}
    return Gcs


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Those of a server that runs and whose dashboard can be started."""
    data_dir, session = tmp_path / "data", tmp_path / "ray" / "session_1"
    data_dir.mkdir()
    (session / "logs").mkdir(parents=True)
    holder = {"pid": os.getpid(), "address": "http://127.0.0.1:9300"}
    (data_dir / LOCK_FILE).write_text(json.dumps(holder))
    link_logs(data_dir, str(session / "logs"))
    dashboard.offer_dashboard(
        {
            "gcs_address": "127.0.0.1:6379",
            "node_ip_address": "127.0.0.1",
            "session_dir": str(session),
        }
    )
    return load_settings(data_dir=data_dir)


def start(settings: Settings) -> None:
    with dashboard.running_dashboard(settings, 0):
        pytest.fail("It was started.")


def test_without_a_server_there_is_none(tmp_path: Path):
    with pytest.raises(NotFound, match="everruns serve"):
        start(load_settings(data_dir=tmp_path))


def test_a_server_that_offers_none_is_told_from_one_that_does(settings: Settings):
    (settings.data_dir / "logs").resolve().parent.joinpath(dashboard.NOTE).unlink()

    with pytest.raises(NotFound, match="dashboard = on or off"):
        start(settings)


def test_one_that_runs_is_left_alone(settings: Settings, gcs: type[Gcs]):
    with socket.create_server(("127.0.0.1", 0)) as running:
        address = f"127.0.0.1:{running.getsockname()[1]}"
        gcs.kept[SHOWN] = address.encode()
        before = dict(gcs.kept)

        with pytest.raises(Conflict, match=f"at http://{re.escape(address)}"):
            start(settings)

    assert gcs.kept == before


def test_the_note_of_one_that_was_killed_is_no_reason_to_refuse(
    settings: Settings, gcs: type[Gcs], monkeypatch: pytest.MonkeyPatch
):
    with socket.create_server(("127.0.0.1", 0)) as killed:
        gcs.kept[SHOWN] = f"127.0.0.1:{killed.getsockname()[1]}".encode()
    monkeypatch.setattr(services, "start_api_server", Mock(side_effect=RuntimeError("Started.")))

    with pytest.raises(Unavailable, match="Started"):
        start(settings)


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (Exception("\nThe last 20 lines of dashboard.log:\nINFO\nINFO"), "It is not up in time."),
        (ValueError("Failed to bind to 127.0.0.1:1. Choose another."), "Failed to bind"),
    ],
)
def test_one_that_does_not_come_up_is_one_line_and_nobody_looks_for_it(
    settings: Settings,
    gcs: type[Gcs],
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    says: str,
):
    def fail(**_: Any) -> None:
        raise raised

    monkeypatch.setattr(services, "start_api_server", fail)

    with pytest.raises(Unavailable) as told:
        start(settings)

    assert told.value.message.startswith(f"The dashboard did not start. {says}")
    assert "\n" not in told.value.message
    assert "dashboard.log" in told.value.message
    assert gcs.kept == {b"dashboard": dashboard.NOBODY}
