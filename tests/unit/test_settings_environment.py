"""What the environment says: settings by their names, and proxies that loopback does not use."""

import os
from pathlib import Path

import pytest

from everruns.errors import InvalidRequest
from everruns.process_environment import bypass_proxies_on_loopback
from everruns.settings import Settings
from everruns.settings_loading import check_variables, load_settings

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


SERVER = """
[mcp_servers.files]
command = "files-server"
args = ["/data"]
env = { TOKEN = "t0ken-secret" }
allowed_tools = ["read"]
"""


def test_programs_that_are_mcp_servers_come_from_tables_of_the_file(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "server.toml").write_text(SERVER)
    settings = load_settings(tmp_path / "server.toml")

    (account,) = settings.mcp_programs
    assert (account.name, account.type) == ("files", "stdio")
    assert (account.command, account.allowed_tools) == (["files-server", "/data"], ["read"])
    assert account.environment["TOKEN"].get_secret_value() == "t0ken-secret"
    assert "t0ken" not in repr(settings)
    assert "mcp_servers" not in settings.public()
    # Other processes read them for themselves, like every secret.
    assert load_settings(**settings.public()).mcp_programs == [account]


def test_programs_that_are_mcp_servers_come_from_a_variable_as_json(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("EVERRUNS_MCP_SERVERS", '{"files": {"command": "files-server"}}')
    assert load_settings().mcp_programs[0].command == ["files-server"]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("files-server", "mcp_servers: must be a table in a TOML file, or an object as JSON"),
        ('{"files": {}}', "mcp_servers.files.command: is required"),
        ('{"files": {"comand": "x"}}', "mcp_servers.files.comand is not a setting"),
        ('{"two words": {"command": "x"}}', "mcp_servers.two words"),
        ('{"files": {"command": "x", "env": {"TOKEN": 7}}}', "mcp_servers.files.env.TOKEN: must"),
    ],
)
def test_a_wrong_table_of_a_program_is_told(
    environment: pytest.MonkeyPatch, written: str, says: str
) -> None:
    environment.setenv("EVERRUNS_MCP_SERVERS", written)
    with pytest.raises(InvalidRequest) as refused:
        load_settings()
    assert says in refused.value.message


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
