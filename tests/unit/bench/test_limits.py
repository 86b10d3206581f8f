"""What measuring a server's limits rests on: telling processes apart, targets, names."""

import pytest
from rich.console import Console

from bench.checkout import HERE
from bench.limits.__main__ import MEASUREMENTS, ON_REQUEST, read_options
from bench.limits.processes import Usage, cpu_by_role, memory_by_role, role_of
from bench.limits.report import Report, Target, show_targets
from bench.limits.steps import APPENDS_EACH, turn_appends
from everruns.domain.state import fold
from everruns.ids import new_id


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("ray::RegistryActor.call", "registry"),
        ("ray::SessionActor", "session actor"),
        ("ray::ServeReplica:everruns:api", "API replica"),
        ("ray::ApiActor", "API replica"),
        ("ray::ProxyActor", "Serve proxy"),
        ("/usr/bin/haproxy -db -f /tmp/x/haproxy.cfg", "HAProxy"),
        ("ray::IDLE", "idle Ray worker"),
        ("/x/raylet/raylet --python_worker_command=/x/default_worker.py", "raylet"),
        ("/usr/bin/python -m everruns.cli serve --port 0", "starter"),
        ("/usr/bin/python -m bench.limits.empty --port 1", "starter"),
        ("/usr/bin/something-else --with words", "something-else --with words"),
    ],
)
def test_a_process_is_known_by_its_command(command, role):
    assert role_of(command) == role


def test_cpu_is_what_was_spent_between_two_looks_most_first():
    before = {1: Usage("registry", 10.0, 0), 2: Usage("session actor", 1.0, 0)}
    after = {1: Usage("registry", 10.5, 0), 2: Usage("session actor", 3.0, 0)}

    assert list(cpu_by_role(before, after).items()) == [("session actor", 2.0), ("registry", 0.5)]


def test_cpu_of_a_process_that_began_in_between_counts_and_of_one_that_ended_does_not():
    before = {1: Usage("registry", 10.0, 0)}
    after = {2: Usage("session actor", 1.5, 0)}

    assert cpu_by_role(before, after) == {"session actor": 1.5}


def test_memory_of_processes_of_one_role_is_added_up():
    found = {
        1: Usage("session actor", 0, 70.0),
        2: Usage("session actor", 0, 80.0),
        3: Usage("registry", 0, 200.0),
    }

    assert list(memory_by_role(found).items()) == [
        ("registry", (1, 200.0)),
        ("session actor", (2, 150.0)),
    ]


@pytest.mark.parametrize(
    ("value", "at_least", "reached"),
    [(2.0, False, True), (2.1, False, False), (2.0, True, True), (1.9, True, False)],
)
def test_a_target_is_reached_up_to_its_bound(value, at_least, reached):
    assert Target("x", value, 2.0, at_least=at_least).reached is reached


def test_every_target_is_shown_with_its_bound_and_the_figure_of_each_version():
    out = Console(width=100, record=True, quiet=False)
    before = [Target("steps/s", 771.4, 500, at_least=True), Target("seconds", 6.25, 4)]
    after = [Target("steps/s", 2000, 500, at_least=True), Target("seconds", 3, 4)]

    show_targets(out, {"old": [Report("", (), (), before)], "new": [Report("", (), (), after)]})

    shown = out.export_text()
    assert "| steps/s | at least 500 | 771           | 2,000 |" in shown
    assert "| seconds | at most 4    | 6.25 (missed) | 3     |" in shown


def test_a_folder_that_is_not_a_checkout_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        read_options(["--checkout", str(tmp_path)])

    assert f"{tmp_path} is not a checkout of this project" in capsys.readouterr().err


def test_this_checkout_is_measured_unless_others_are_named():
    assert read_options([]).checkout == [HERE]
    assert read_options(["--checkout", str(HERE.path), "."]).checkout == [HERE, HERE]


def test_growth_is_measured_only_when_asked_for():
    assert set(read_options([]).only) == set(MEASUREMENTS) - ON_REQUEST
    assert read_options(["--only", "growth", "cold"]).only == ["growth", "cold"]


def test_a_wrong_name_is_answered_with_the_right_ones(capsys):
    with pytest.raises(SystemExit):
        read_options(["--only", "grwoth"])

    told = capsys.readouterr().err
    assert "grwoth" in told
    assert all(name in told for name in MEASUREMENTS)


def test_the_steps_given_to_the_registry_are_a_log():
    session_id = new_id("session")

    appends = turn_appends(session_id)

    events = [event for append in appends for event in append.events]
    assert len(appends) == APPENDS_EACH
    assert fold(session_id, events).summary == appends[-1].summary
