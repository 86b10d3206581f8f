"""The state of a cluster as tables; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.table import Column
from rich.text import Text

from everruns.commands.figures import UNKNOWN, age, count, money, rate, size, span
from everruns.commands.output import Cell

NODE_CHARACTERS = 8

State = Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    """A table with its title.

    Attributes:
        title: The title.
        columns: Its columns.
        rows: Its rows.
    """

    title: str
    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Cell]]


def sections(state: State, before: State | None, spent_usd: float | None) -> list[Section]:
    """Return the tables of a cluster's state.

    Args:
        state: The state, as ``GET /v1/cluster`` answers.
        before: An earlier one, for what happened in between; ``None`` if there is none.
        spent_usd: What was spent today; ``None`` if that is not known.
    """
    shown = [
        _totals(state, before, spent_usd),
        _nodes(state),
        _session_actors(state, before),
        _others(state, before),
    ]
    if state["problems"]:
        problems = [[Text(problem, "red")] for problem in state["problems"]]
        shown.append(Section("Problems", ["What is missing here, and why"], problems))
    return shown


def _right(*headings: str) -> list[Column]:
    return [Column(heading, justify="right") for heading in headings]


def _totals(state: State, before: State | None, spent_usd: float | None) -> Section:
    registry = state["registry"]
    stored, journal = registry.get("sessions"), registry.get("journal")
    actors = state["session_actors"]
    turns = _per_second(state, before, "turns_completed", "turns_failed", "turns_cancelled")
    tokens = _per_second(state, before, "input_tokens", "output_tokens")
    columns = _right(
        "Sessions", "In memory", "Turns running", "Waiting", "Turns/s", "Tokens/s", "Streams",
        "Journal", "Spent today",
    )  # fmt: skip
    row = [
        count(stored and stored["total"]),
        count(sum(actor["sessions"] for actor in actors)),
        count(_sum(actors, "turns_running")),
        _waiting(stored),
        rate(turns),
        rate(tokens),
        count(_sum(actors, "streams")),
        _journal(journal),
        money(spent_usd),
    ]
    moment = datetime.fromisoformat(state["at"]).astimezone()
    return Section(f"Everruns {state['version']} at {moment:%H:%M:%S}", columns, [row])


def _waiting(stored: State | None) -> str:
    if stored is None:
        return UNKNOWN
    kinds = [f"{number:,} {kind}" for kind, number in sorted(stored["waiting"].items()) if number]
    return ", ".join(kinds) or "0"


def _journal(journal: State | None) -> str:
    if journal is None:
        return UNKNOWN
    if not journal["size_bytes"]:
        return "0"
    return f"{size(journal['size_bytes'])}, {span(journal['lag_seconds'])}"


def _sum(actors: Sequence[State], name: str) -> int | None:
    known = [actor[name] for actor in actors if name in actor]
    return sum(known) if known or not actors else None


def _per_second(state: State, before: State | None, *names: str) -> float | None:
    """Return how fast totals of the session actors have grown between two states.

    An actor that was started in between counts from its start.
    """
    if before is None:
        return None
    passed_s = _seconds(before["at"], state["at"])
    if passed_s <= 0:
        return None
    earlier = {actor["name"]: actor for actor in before["session_actors"]}
    grown = 0
    for actor in state["session_actors"]:
        activity = actor.get("activity")
        last = earlier.get(actor["name"], {})
        if activity is None or (last and "activity" not in last):
            continue
        is_same = last.get("pid") == actor.get("pid") and "activity" in last
        grown += sum(activity[name] - (last["activity"][name] if is_same else 0) for name in names)
    return grown / passed_s


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _nodes(state: State) -> Section:
    columns = ["Node", "Host", "Status", *_right("CPUs", "Load", "Memory", "Processes")]
    rows = [
        [
            node["id"][:NODE_CHARACTERS],
            f"{node.get('hostname') or UNKNOWN}{' (head)' if node['is_head'] else ''}",
            _styled(node["status"], "up"),
            f"{node['cpus']:g}",
            f"{node['load']:.1f}" if "load" in node else UNKNOWN,
            f"{size(node['memory_used_bytes'])} of {size(node['memory_bytes'])}"
            if "memory_bytes" in node
            else UNKNOWN,
            count(node["processes"]),
        ]
        for node in state["nodes"]
    ]
    return Section("Nodes", columns, rows)


def _styled(status: str, good: str) -> Text:
    return Text(status, "green" if status == good else "yellow")


def _session_actors(state: State, before: State | None) -> Section:
    columns = [
        "Session actor", "Node", "Status",
        *_right("Sessions", "Size", "Running", "Waiting", "Streams"), *_process_columns(),
    ]  # fmt: skip
    earlier = {actor["name"]: actor for actor in before["session_actors"]} if before else {}
    rows = [
        [
            actor["name"],
            _node(actor),
            _styled(actor["status"], "up"),
            count(actor["sessions"]),
            size(actor["size_bytes"]),
            count(actor.get("turns_running")),
            count(actor.get("turns_waiting")),
            count(actor.get("streams")),
            *_process(actor, earlier.get(actor["name"]), state, before),
        ]
        for actor in state["session_actors"]
    ]
    return Section("Session actors", columns, rows)


def _others(state: State, before: State | None) -> Section:
    """Return the registries and the API replicas."""
    named = [("registry", state["registry"], before and before["registry"])]
    if "standby" in state:
        named.append(("registry (stands by)", state["standby"], None))
    earlier = {one["id"]: one for one in before["replicas"]} if before else {}
    named += [(f"api {one['id']}", one, earlier.get(one["id"])) for one in state["replicas"]]
    rows = [[name, _node(one), *_process(one, last, state, before)] for name, one, last in named]
    return Section("Registry and API", ["Process", "Node", *_process_columns()], rows)


def _node(process: State) -> str:
    return (process.get("node_id") or UNKNOWN)[:NODE_CHARACTERS]


def _process_columns() -> list[Column]:
    return _right("CPU", "Memory", "Restarts", "Up", "Pid")


def _process(process: State, last: State | None, state: State, before: State | None) -> list[Cell]:
    now = datetime.fromisoformat(state["at"])
    return [
        _cpu(process, last, state, before),
        size(process.get("memory_bytes")),
        count(process.get("restarts")),
        age(process.get("started_at"), now),
        str(process.get("pid", UNKNOWN)),
    ]


def _cpu(process: State, last: State | None, state: State, before: State | None) -> str:
    """Return what a process has used of one CPU between two states."""
    if last is None or before is None or last.get("pid") != process.get("pid"):
        return UNKNOWN
    passed_s = _seconds(before["at"], state["at"])
    if passed_s <= 0 or "cpu_seconds" not in process or "cpu_seconds" not in last:
        return UNKNOWN
    used_s = process["cpu_seconds"] - last["cpu_seconds"]
    return f"{max(0.0, used_s) / passed_s:.0%}"
