"""What the environment says: settings by their names, and proxies that loopback does not use."""

import os
from pathlib import Path

import pytest

from everruns.errors import InvalidRequest
from everruns.process_environment import bypass_proxies_on_loopback
from everruns.settings import Settings, check_variables, load_settings

LOOPBACK = "127.0.0.1,::1,localhost"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.upper().startswith("EVERRUNS_") or name.upper() == "NO_PROXY":
            monkeypatch.delenv(name)
    # So that what is set here goes again.
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("EVERRUNS_CONFIG", "")
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("EVERRUNS_PROT", "Did you mean EVERRUNS_PORT?"),
        ("EVERRUNS_ALLOW_OPEN_NETWORKS", "Did you mean EVERRUNS_ALLOW_OPEN_NETWORK?"),
        ("everruns_atuh", "Did you mean EVERRUNS_AUTH?"),
        ("EVERRUNS_XYZZY", "everruns config"),
    ],
)
def test_a_variable_that_is_no_setting_is_named_with_the_nearest_that_is(
    environment: pytest.MonkeyPatch, name: str, says: str
) -> None:
    environment.setenv(name, "1")

    with pytest.raises(InvalidRequest) as refused:
        check_variables()

    assert name in refused.value.message
    assert says in refused.value.message


@pytest.mark.parametrize(
    "name", ["EVERRUNS_PORT", "everruns_port", "EVERRUNS_API_KEY", "EVERRUNS_API_URL", "EVERRUNS"]
)
def test_settings_and_what_clients_read_are_accepted(
    environment: pytest.MonkeyPatch, name: str
) -> None:
    environment.setenv(name, "1")

    check_variables()


def test_a_relative_settings_file_is_found_by_processes_in_other_folders(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "server.toml").write_text("port = 1234\n")
    (tmp_path / "elsewhere").mkdir()
    environment.chdir(tmp_path)
    assert load_settings(Path("server.toml")).port == 1234

    environment.chdir(tmp_path / "elsewhere")

    assert Settings().port == 1234


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, LOOPBACK),
        ({"NO_PROXY": "example.com"}, f"example.com,{LOOPBACK}"),
        ({"no_proxy": "a, localhost"}, "a,localhost,127.0.0.1,::1"),
    ],
)
def test_loopback_never_goes_through_a_proxy_and_other_exceptions_are_kept(
    environment: pytest.MonkeyPatch, before: dict[str, str], after: str
) -> None:
    for name, value in before.items():
        environment.setenv(name, value)

    bypass_proxies_on_loopback()

    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == after


def test_no_proxy_for_anything_stays_so(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("no_proxy", "*")

    bypass_proxies_on_loopback()

    assert os.environ["no_proxy"] == "*"
