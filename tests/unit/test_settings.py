"""Settings as people write them."""

from pathlib import Path

import pytest

from everruns.errors import InvalidRequest
from everruns.settings_loading import load_settings


@pytest.mark.parametrize(
    "written",
    ["box.lan,*.Example.com", " box.lan , *.example.com,", '["box.lan", "*.example.com"]'],
)
def test_a_list_is_written_with_commas_or_as_json(written: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EVERRUNS_ALLOWED_HOSTS", written)

    assert load_settings().allowed_hosts == ("box.lan", "*.example.com")


def test_an_address_in_brackets_is_no_json(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EVERRUNS_ALLOWED_HOSTS", "[fd00::1]")

    assert load_settings().allowed_hosts == ("fd00::1",)


def test_a_list_in_a_file_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # Loading a file names it in the environment, which this puts back.
    monkeypatch.setenv("EVERRUNS_CONFIG", "")
    file = tmp_path / "everruns.toml"
    file.write_text('allowed_origins = ["https://app.example.com"]')

    assert load_settings(file).allowed_origins == ("https://app.example.com",)


def test_the_file_that_is_shown_as_an_example_is_valid(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EVERRUNS_CONFIG", "")
    example = Path(__file__).parents[2] / "config/everruns.toml"

    assert load_settings(example).port == 9300


def test_lists_reach_the_processes_of_the_server():
    settings = load_settings(allowed_hosts=["box.lan"], allowed_origins="http://localhost:3000")

    assert load_settings(**settings.public()).allowed_hosts == ("box.lan",)
    assert load_settings(**settings.public()).allowed_origins == ("http://localhost:3000",)


@pytest.mark.parametrize(
    ("setting", "written"),
    [
        ("allowed_hosts", "http://box.lan"),
        ("allowed_hosts", "box.lan:9300"),
        ("allowed_origins", "null"),
        ("allowed_origins", "box.lan"),
        ("allowed_origins", "https://app.example.com/"),
    ],
)
def test_a_wrong_entry_is_named_with_what_would_be_right(setting: str, written: str):
    with pytest.raises(InvalidRequest, match=rf"{setting}\.0: .*{written}.*Write"):
        load_settings(**{setting: written})


@pytest.mark.parametrize("setting", ["allowed_hosts", "allowed_origins"])
def test_everything_is_allowed_only_to_those_who_bring_keys(setting: str):
    with pytest.raises(InvalidRequest, match=rf"{setting} is \*, and auth is none"):
        load_settings(**{setting: "*"}).check_exposure()

    load_settings(**{setting: "*"}, auth="api_keys").check_exposure()


@pytest.mark.parametrize(
    ("name", "says"), [("replicsa", "Did you mean replicas?"), ("xyzzy", "See `everruns config`.")]
)
def test_what_is_no_setting_is_named_with_the_nearest_that_is(name: str, says: str):
    with pytest.raises(InvalidRequest, match=rf"{name} is not a setting\. ") as refused:
        load_settings(**{name: 1})

    assert says in refused.value.message


@pytest.mark.parametrize("url", ["mysql://u:passw0rd@host/db", "host=db password=passw0rd", ""])
def test_another_database_than_postgresql_is_refused_without_showing_its_password(url: str):
    with pytest.raises(InvalidRequest, match=r"database_url: .*postgresql://user") as refused:
        load_settings(database_url=url)

    assert "passw0rd" not in refused.value.message


def test_the_address_of_the_database_is_a_secret():
    settings = load_settings(database_url="postgresql+psycopg://u:passw0rd@host/db")

    assert "database_url" not in settings.public()
    assert "passw0rd" not in repr(settings)


def test_ports_for_calls_between_nodes_are_a_range():
    assert list(load_settings(node_ports="20000-20002").node_port_range) == [20000, 20001, 20002]
    assert not load_settings().node_port_range


@pytest.mark.parametrize("ports", ["20000", "20001-20000", "0-10", "1-65536", "a-b", "1-2,4-5"])
def test_what_is_no_range_of_ports_is_refused(ports: str):
    with pytest.raises(InvalidRequest, match="node_ports: must be a range of ports such as"):
        load_settings(node_ports=ports)


@pytest.mark.parametrize(
    ("old", "now"),
    [
        ("true", "on"),
        ("False", "off"),
        ("1", "on"),
        ("no", "off"),
        ("ON", "on"),
        ("n", "off"),
        ("on_demand", "on_demand"),
    ],
)
def test_a_yes_or_no_about_the_dashboard_is_understood(
    old: str, now: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EVERRUNS_DASHBOARD", old)

    assert load_settings().dashboard == now


@pytest.mark.parametrize(("flag", "now"), [(True, "on"), (False, "off"), (None, "on_demand")])
def test_the_flags_for_the_dashboard_are_a_yes_and_a_no(
    flag: bool | None, now: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("EVERRUNS_DASHBOARD", raising=False)

    assert load_settings(dashboard=flag).dashboard == now


@pytest.mark.parametrize(
    "more", [{"replicas": 2}, {"max_replicas": 2}, {"ray_address": "127.0.0.1:6379"}]
)
def test_serving_without_ray_serve_is_refused_where_that_is_needed(more: dict[str, object]):
    (name,) = more
    with pytest.raises(InvalidRequest, match=rf"serving is direct.* but {name} asks for more"):
        load_settings(serving="direct", **more).check_serving()

    load_settings(serving="serve", **more).check_serving()
    load_settings(serving="direct").check_serving()
