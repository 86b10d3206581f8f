"""Queries for lists and logs, and what they are drawn from."""

from typing import Any

from hypothesis import strategies as st

from everruns.domain.events import EventType
from everruns.domain.rights import Grant
from everruns.domain.sessions import Caller
from everruns.ids import parse_time
from everruns.storage.agents import AgentQuery
from everruns.storage.logs import EventQuery
from everruns.storage.sessions import SessionQuery
from everruns.storage.workspaces import WorkspaceQuery

numbers = st.integers(1, 3)
texts = st.sampled_from(["alpha", "Beta 50%", "BETA_x", "a/b\\c", "é☃", "ÉCLAIR", "", "line\nline"])
maybe_texts = st.none() | texts
times = st.sampled_from([f"2026-01-0{day}T00:00:00.000Z" for day in (1, 2, 3)])
kinds = st.sampled_from([EventType.MESSAGE_CREATED, EventType.TOOL_CALL, EventType.TOOL_RESULT])
turns = st.sampled_from([None, "turn_1", "turn_2"])
tags = st.sampled_from(["a", "b", "c"])
milliseconds = st.none() | times.map(parse_time)
pages: dict[str, st.SearchStrategy[Any]] = {
    "search": maybe_texts | st.sampled_from(["ETA", "É", "%", "_", "/", "\\", "0001"]),
    "offset": st.integers(0, 3),
    "limit": st.integers(0, 3),
}
agent_queries = st.builds(
    AgentQuery, **pages, ids=st.lists(numbers.map("agent_{:032x}".format), max_size=2)
)
workspace_queries = st.builds(WorkspaceQuery, **pages, include_archived=st.booleans())
session_queries = st.builds(
    SessionQuery,
    **pages,
    agent_id=st.none() | st.just("agent_1"),
    within=st.none()
    | st.builds(
        Grant,
        rights=st.just(["read"]),
        agent_ids=st.lists(st.sampled_from(["agent_1", "agent_2"])),
        end_user=st.sampled_from([None, "", "alice"]),
        session_id=st.sampled_from([None, f"session_{1:032x}"]),
    ),
    caller=st.none() | st.builds(Caller, st.just("agent_1"), st.sampled_from(["", "alice"])),
    older_than=st.none() | st.tuples(times.map(parse_time), numbers.map("session_{:032x}".format)),
    status=st.none() | st.sampled_from(["started", "active", "idle", "waitingfortoolresults"]),
    waiting=st.sampled_from([None, True, "tool_call", "question", "approval"]),
    last_outcome=st.sampled_from([None, None, "completed", "failed", "cancelled"]),
    tags=st.lists(tags, max_size=2),
    end_user=st.sampled_from([None, None, "alice"]),
    created_from_ms=milliseconds,
    created_until_ms=milliseconds,
    updated_from_ms=milliseconds,
    updated_until_ms=milliseconds,
    sort=st.sampled_from(["created", "updated"]),
    ascending=st.booleans(),
)
event_queries = st.builds(
    EventQuery,
    after=st.none() | st.integers(0, 6),
    before=st.none() | st.integers(0, 8),
    types=st.lists(kinds, max_size=2),
    turn_id=turns,
    since_ms=st.none() | st.integers(0, 8),
    until_ms=st.none() | st.integers(0, 8),
    limit=st.none() | st.integers(0, 4),
    without=st.lists(st.tuples(st.integers(1, 3), st.integers(2, 5)), max_size=2),
    newest_first=st.booleans(),
)
