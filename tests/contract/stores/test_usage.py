"""What queries say of sessions is what the logs of the store say."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any

import orjson
import pytest

from everruns.archive import analyst as module
from everruns.archive.analyst import Analyst
from everruns.archive.usage import Dimension, UsageQuery
from everruns.domain.events import TURN_ENDS, Event, EventType, NewEvent
from everruns.domain.queries import Query
from everruns.domain.rights import Grant
from everruns.domain.sessions import Session
from everruns.ids import format_time
from everruns.registry.database import Database
from everruns.registry.history import History
from everruns.storage.logs import EventQuery
from everruns.storage.sessions import Fork
from everruns.storage.store import Store
from tests.stored import agent, append, session

START_MS = 1_800_000_000_000
DAY_MS = 86_400_000
AGENTS, USERS = [f"agent_{number:032x}" for number in (1, 2)], [None, "", "alice", "bob"]
MODELS = ["openai/big", "openai/small", "local/free"]


@pytest.fixture
async def analyst(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Analyst]:
    monkeypatch.setattr(module, "MAX_AGE_S", 0.0)
    database = Database(store)
    analyst = Analyst(tmp_path, History(database))
    yield analyst
    await analyst.close()


class Histories:
    """Sessions with random turns over some days, some of them forks of others."""

    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._random = Random(seed)
        self.sessions: dict[str, Session] = {}
        for number, agent_id in enumerate(AGENTS, 1):
            store.agents.put(agent(number, id=agent_id))
        for number in range(1, 7):
            self._add(session(number, agent_id=self._any(AGENTS), end_user=self._any(USERS)))
            store.sessions.insert(self.sessions[session(number).id])
            self._extend(number, self._random.randrange(5))
        for number in (7, 8):
            source = self._any([*self.sessions.values()])
            place = self._any([*self._ends(source.id), 0])
            new = session(
                number,
                agent_id=source.agent_id,
                end_user=source.end_user,
                forked_from_session_id=source.id,
                forked_from_sequence=place,
            )
            self._add(new)
            assert store.sessions.fork(Fork(source.id, place, new))
            self._extend(number, 2)

    def _add(self, new: Session) -> None:
        self.sessions[new.id] = new

    def _any(self, values: list[Any]) -> Any:
        return self._random.choice(values)

    def _ends(self, session_id: str) -> list[int]:
        log = self._store.logs.read(session_id, EventQuery())
        return [event.sequence for event in log if event.type in TURN_ENDS]

    def _extend(self, number: int, turns: int) -> None:
        session_id = session(number).id
        length = len(self._store.logs.read(session_id, EventQuery()))
        for turn in range(turns):
            new = self._turn(f"turn_{number:016x}{length:08x}{turn:08x}")
            at_ms = START_MS + self._random.randrange(4 * DAY_MS)
            made = [
                one.at(session_id, length + place, at_ms + place * 1000)
                for place, one in enumerate(new, 1)
            ]
            assert self._store.logs.append([append(number, made)]) == [None]
            length += len(made)

    def _turn(self, turn_id: str) -> list[NewEvent]:
        def new(kind: EventType, **data: Any) -> NewEvent:
            return NewEvent(kind, data, {"turn_id": turn_id})

        made = [
            new(EventType.MESSAGE_CREATED, message=_message("user")),
            new(EventType.SESSION_STARTED, turn_id=turn_id),
        ]
        for call in range(self._random.randrange(3)):
            made.append(new(EventType.MESSAGE_CREATED, message=_message("agent"), **self._used()))
            outcome = {"result": 1} if self._any([True, True, False]) else {"error": "no"}
            made.append(
                new(
                    EventType.TOOL_RESULT,
                    tool_call_id=f"{turn_id}-{call}",
                    name=self._any(["add", "look"]),
                    success="result" in outcome,
                    duration_ms=self._random.randrange(1000),
                    **outcome,
                )
            )
        if self._any([True, False, False]):
            made.append(new(EventType.CONTEXT_COMPACTED, duration_ms=5, **self._used()))
        ends: list[NewEvent] = [
            new(EventType.SESSION_COMPLETED, turn_id=turn_id, iterations=1, duration_ms=len(made)),
            new(EventType.SESSION_FAILED, turn_id=turn_id, error={"code": "X", "message": "no"}),
            new(EventType.SESSION_CANCELLED, turn_id=turn_id, reason="user",
                unfinished=self._used()),
        ]  # fmt: skip
        return [*made, self._any(ends)]

    def _used(self) -> dict[str, Any]:
        usage: dict[str, Any] = {
            "input_tokens": self._random.randrange(1000),
            "output_tokens": self._random.randrange(100),
        }
        model = self._any(MODELS)
        if model != "local/free":
            usage["estimated_cost_usd"] = self._random.randrange(1, 100) / 64
        return {"usage": usage, "model": model}

    def counted(self, grant: Grant | None = None) -> list[tuple[Session, Event]]:
        """Every event that no fork has copied, of the sessions in scope, with its session."""
        return [
            (one, event)
            for one in self.sessions.values()
            if grant is None or grant.covers(one)
            for event in self._store.logs.read(one.id, EventQuery())
            if event.sequence > (one.forked_from_sequence or 0)
        ]

    def delete(self) -> None:
        gone = self._any([*self.sessions])
        self._store.sessions.delete(gone)
        del self.sessions[gone]


def _message(role: str) -> dict[str, Any]:
    return {"id": "message_1", "role": role, "content": [{"type": "text", "text": "words"}]}


def _used_by(event: Event) -> tuple[str, dict[str, Any]] | None:
    data = event.data.get("unfinished", event.data)
    return (data["model"], data["usage"]) if "usage" in data else None


def _sums(events: Iterable[Event]) -> dict[str, Any]:
    """What the API's own events add up to."""
    log = [*events]
    calls = [used[1] for event in log if (used := _used_by(event))]
    costs = [usage["estimated_cost_usd"] for usage in calls if "estimated_cost_usd" in usage]
    ended = [event for event in log if event.type in TURN_ENDS]
    results = [event.data for event in log if event.type == EventType.TOOL_RESULT]
    took = [event.data["duration_ms"] for event in ended if "duration_ms" in event.data]
    cuts = quantiles(took * (3 - min(len(took), 2)), n=20, method="inclusive") if took else None
    return {
        "model_calls": len(calls),
        "input_tokens": sum(usage["input_tokens"] for usage in calls),
        "output_tokens": sum(usage["output_tokens"] for usage in calls),
        "cache_read_tokens": 0,
        "cache_creation_tokens": 0,
        "cost_usd": sum(costs) if costs else None if calls else 0,
        "unpriced_calls": len(calls) - len(costs),
        "turns": len(ended),
        "failed_turns": sum(event.type == EventType.SESSION_FAILED for event in ended),
        "cancelled_turns": sum(event.type == EventType.SESSION_CANCELLED for event in ended),
        "turn_p50_ms": cuts and round(cuts[9], 6),
        "turn_p95_ms": cuts and round(cuts[18], 6),
        "tool_calls": len(results),
        "failed_tool_calls": sum(not result["success"] for result in results),
    }


OF_TURNS = ("turns", "failed_turns", "cancelled_turns", "turn_p50_ms", "turn_p95_ms",
            "tool_calls", "failed_tool_calls")  # fmt: skip


async def found(
    analyst: Analyst, by: Dimension, grant: Grant | None = None, **only: str
) -> tuple[dict[str, Any], dict[Any, dict[str, Any]]]:
    """The total of usage, and its groups."""
    query = UsageQuery(START_MS, START_MS + 9 * DAY_MS, [by], only, grant, 1000).query("json")
    answer = orjson.loads((await analyst.answer(query)).content)
    names = [column["name"] for column in answer["columns"]]
    total, *groups = [dict(zip(names, row, strict=True)) for row in answer["rows"]]
    return _rounded(total), {group[names[1]]: _rounded(group) for group in groups}


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    values = {name: row[name] for name in _sums([])}
    for name in ("turn_p50_ms", "turn_p95_ms"):
        values[name] = values[name] and round(values[name], 6)
    return values


def grouped(counted: Iterable[tuple[Session, Event]], key: Any) -> dict[Any, dict[str, Any]]:
    groups: defaultdict[Any, list[Event]] = defaultdict(list)
    for one, event in counted:
        if event.type in TURN_ENDS or event.type == EventType.TOOL_RESULT or _used_by(event):
            groups[key(one, event)].append(event)
    return {name: _sums(events) for name, events in groups.items()}


@pytest.mark.parametrize("seed", [1, 2])
async def test_usage_is_what_the_logs_add_up_to(store: Store, analyst: Analyst, seed: int):
    histories = Histories(store, seed)
    for _ in range(2):
        counted = histories.counted()
        keys: dict[Dimension, Any] = {
            "day": lambda _one, event: format_time(event.ts)[:10],
            "hour": lambda _one, event: f"{format_time(event.ts)[:13]}:00:00.000Z",
            "agent": lambda one, _event: one.agent_id,
            "session": lambda one, _event: one.id,
            "end_user": lambda one, _event: one.end_user,
        }
        for by, key in keys.items():
            total, groups = await found(analyst, by)
            assert groups == grouped(counted, key)
            assert total == _sums(event for _, event in counted)
        # What is deleted is gone from the next answer.
        histories.delete()


async def test_models_divide_calls_and_nothing_else(store: Store, analyst: Analyst):
    counted = Histories(store, 3).counted()
    expected = {
        model: _sums(e for _, e in counted if (used := _used_by(e)) and used[0] == model)
        for model in MODELS
    }
    for sums in expected.values():
        sums.update(dict.fromkeys(OF_TURNS))

    _, groups = await found(analyst, "model")
    assert groups == expected
    total, _ = await found(analyst, "day", model="local/free")
    assert total == expected["local/free"]
    assert total["cost_usd"] is None


async def test_a_sender_with_limits_learns_of_its_own_sessions_alone(
    store: Store, analyst: Analyst
):
    histories = Histories(store, 4)
    for grant in (
        Grant(rights=["read"], agent_ids=AGENTS[:1]),
        Grant(rights=["read"], agent_ids=AGENTS, end_user="alice"),
        Grant(rights=["read"], agent_ids=AGENTS, end_user=""),
        Grant(rights=["read"], session_id=session(3).id),
        Grant(rights=["read"], agent_ids=[f"agent_{9:032x}"]),
    ):
        own = histories.counted(grant)
        total, groups = await found(analyst, "session", grant)
        assert total == _sums(event for _, event in own)
        assert groups == grouped(own, lambda one, _event: one.id)

        # What it asks for narrows its scope, and never replaces it.
        for name, value in {
            "agent_id": AGENTS[1],
            "end_user": "bob",
            "session_id": session(1).id,
        }.items():
            _, groups = await found(analyst, "session", grant, **{name: value})
            field = "id" if name == "session_id" else name
            meant = [(one, event) for one, event in own if getattr(one, field) == value]
            assert groups == grouped(meant, lambda one, _event: one.id)


async def test_the_views_have_what_the_logs_have(store: Store, analyst: Analyst):
    histories = Histories(store, 5)
    counted = histories.counted()

    async def rows(sql: str) -> set[tuple[Any, ...]]:
        answer = await analyst.answer(Query(sql, []))
        return {tuple(row) for row in orjson.loads(answer.content)["rows"]}

    begun = {e.turn_id: e.ts for _, e in counted if e.type == EventType.SESSION_STARTED}
    assert await rows("SELECT turn_id, outcome, duration_ms, error_code FROM turns") == {
        (
            event.turn_id,
            event.type.partition(".")[2],
            event.data.get("duration_ms", event.ts - begun[event.turn_id]),
            event.data.get("error", {}).get("code"),
        )
        for _, event in counted
        if event.type in TURN_ENDS
    }
    assert await rows(
        "SELECT session_id, sequence, model, input_tokens, cost_usd FROM model_calls"
    ) == {
        (one.id, e.sequence, used[0], used[1]["input_tokens"], used[1].get("estimated_cost_usd"))
        for one, e in counted
        if (used := _used_by(e))
    }
    assert await rows("SELECT tool_call_id, tool_name, success, error FROM tool_calls") == {
        (e.data["tool_call_id"], e.data["name"], e.data["success"], e.data.get("error"))
        for _, e in counted
        if e.type == EventType.TOOL_RESULT
    }
    assert await rows("SELECT session_id, sequence, id, type FROM events") == {
        (one.id, e.sequence, e.id, e.type)
        for one in histories.sessions.values()
        for e in store.logs.read(one.id, EventQuery())
    }
    assert await rows("SELECT session_id, agent_id, end_user FROM sessions") == {
        (one.id, one.agent_id, one.end_user) for one in histories.sessions.values()
    }
    total = _sums(event for _, event in counted)
    ((calls, tokens),) = await rows("SELECT sum(model_calls), sum(input_tokens) FROM usage_daily")
    assert (calls, tokens) == (total["model_calls"], total["input_tokens"])
