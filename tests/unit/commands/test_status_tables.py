"""The state of a cluster as tables."""

from copy import deepcopy
from typing import Any

from everruns.commands.figures import count, money, rate, size, span
from everruns.commands.status_tables import Section, sections

ACTIVITY = {
    "turns_started": 10,
    "turns_completed": 8,
    "turns_failed": 1,
    "turns_cancelled": 0,
    "model_calls": 20,
    "tool_calls": 5,
    "input_tokens": 1000,
    "output_tokens": 100,
}
ACTOR = {
    "name": "session-actor-0",
    "status": "up",
    "node_id": "cf86b8dd29cb",
    "pid": 7,
    "started_at": "2026-01-31T09:00:00.000Z",
    "restarts": 1,
    "memory_bytes": 145_400_000,
    "cpu_seconds": 10.0,
    "sessions": 3,
    "size_bytes": 2048,
    "turns_running": 1,
    "turns_waiting": 2,
    "streams": 4,
    "activity": ACTIVITY,
}
STATE: dict[str, Any] = {
    "at": "2026-01-31T10:00:00.000Z",
    "version": "0.1.0",
    "nodes": [
        {
            "id": "cf86b8dd29cb",
            "hostname": "vm",
            "status": "up",
            "is_head": True,
            "cpus": 2.0,
            "load": 0.5,
            "memory_bytes": 8_000_000_000,
            "memory_used_bytes": 2_000_000_000,
            "processes": 3,
        }
    ],
    "registry": {
        "pid": 5,
        "sessions": {"total": 12_345, "turns_open": 3, "waiting": {"approval": 2, "question": 0}},
        "journal": {"size_bytes": 0, "lag_seconds": 0.0},
    },
    "session_actors": [ACTOR],
    "replicas": [{"id": "abc", "pid": 9}],
    "problems": [],
}


def shown(section: Section, row: int = 0) -> dict[str, str]:
    headings = [str(getattr(column, "header", column)) for column in section.columns]
    return dict(zip(headings, map(str, section.rows[row]), strict=True))


def later(**activity: int) -> dict[str, Any]:
    """The state two seconds later."""
    state = deepcopy(STATE)
    state["at"] = "2026-01-31T10:00:02.000Z"
    state["session_actors"][0]["activity"].update(activity)
    state["session_actors"][0]["cpu_seconds"] = 11.0
    return state


def test_totals_of_one_state_have_no_rates():
    totals = shown(sections(STATE, None, None)[0])

    assert totals == {
        "Sessions": "12,345",
        "In memory": "3",
        "Turns running": "1",
        "Waiting": "2 approval",
        "Turns/s": "-",
        "Tokens/s": "-",
        "Streams": "4",
        "Journal": "0",
        "Spent today": "-",
    }


def test_two_states_give_rates():
    state = later(turns_completed=11, turns_failed=2, input_tokens=1900, output_tokens=200)

    totals, _, actors, _ = sections(state, STATE, 1.5)

    assert shown(totals)["Turns/s"] == "2.00"
    assert shown(totals)["Tokens/s"] == "500"
    assert shown(totals)["Spent today"] == "$1.50"
    assert shown(actors)["CPU"] == "50%"


def test_an_actor_that_was_started_again_counts_from_its_start():
    state = later(turns_completed=1, turns_failed=0)
    state["session_actors"][0]["pid"] = 8

    totals, _, actors, _ = sections(state, STATE, None)

    assert shown(totals)["Turns/s"] == "0.50"
    assert shown(actors)["CPU"] == "-"


def test_what_is_not_known_is_a_dash_and_why_is_told():
    state = {**STATE, "registry": {}, "problems": ["The registry does not answer."]}
    silent = {"name": "session-actor-0", "status": "silent", "sessions": 0, "size_bytes": 0}
    state["session_actors"] = [silent]

    totals, _, actors, _, problems = sections(state, STATE, None)

    assert shown(totals)["Sessions"] == shown(totals)["Journal"] == "-"
    assert shown(actors)["Running"] == shown(actors)["Pid"] == "-"
    assert str(problems.rows[0][0]) == "The registry does not answer."


def test_the_registry_its_standby_and_replicas_are_listed_with_their_processes():
    others = sections({**STATE, "standby": {"pid": 6}}, None, None)[3]

    assert [row[0] for row in others.rows] == ["registry", "registry (stands by)", "api abc"]


def test_figures_are_short():
    assert [size(n) for n in (0, 999, 1500, 3e9)] == ["0 B", "999 B", "1.5 kB", "3.0 GB"]
    assert [span(s) for s in (0.05, 4.25, 180, 3 * 3600, 52 * 3600)] == [
        "50 ms", "4.2 s", "3 min", "3 h", "2 d 4 h",
    ]  # fmt: skip
    assert [money(m) for m in (0, 0.0042, 1234.5, None)] == ["$0.00", "$0.0042", "$1,234.50", "-"]
    assert [money(m) for m in (-0.0042, -12.5)] == ["-$0.0042", "-$12.50"]
    assert (rate(0.5), rate(1250), count(None)) == ("0.50", "1,250", "-")
