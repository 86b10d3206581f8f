"""What every store does, in memory or in a database."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from threading import Event as Signal

import pytest
from pydantic import SecretStr

from everruns.domain.agents import Agent, CapabilityConfig
from everruns.domain.budgets import Budget, LedgerEntry
from everruns.domain.events import Event, EventType, NewEvent
from everruns.domain.files import File
from everruns.domain.keys import ApiKey
from everruns.domain.llm import OfferedModel, Provider, ProviderAccount
from everruns.domain.rights import Grant
from everruns.domain.sessions import Caller, Session, SessionSummary
from everruns.domain.usage import Usage
from everruns.domain.waits import NEVER_MS
from everruns.domain.workspaces import Workspace
from everruns.errors import SequenceConflict, SessionNotFound
from everruns.ids import format_time, now_ms, parse_time
from everruns.storage.data_directory.opening import open_store
from everruns.storage.files import StoredFile
from everruns.storage.logs import Append, EventQuery
from everruns.storage.memory.store import MemoryStore
from everruns.storage.pages import ListQuery
from everruns.storage.receipts import Receipt
from everruns.storage.sessions import SessionQuery
from everruns.storage.store import Store


@pytest.fixture(params=["memory", "duckdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = MemoryStore() if request.param == "memory" else open_store(tmp_path / "data")
    yield store
    store.close()


def time(age: int) -> str:
    return format_time(1_800_000_000_000 + age)


def agent(number: int, **fields: object) -> Agent:
    defaults = {
        "id": f"agent_{number:032x}",
        "name": f"Agent {number}",
        "harness_id": "harness_1",
        "created_at": time(number),
        "updated_at": time(number),
    }
    return Agent.model_validate(defaults | fields)


def session(number: int, **fields: object) -> Session:
    defaults = {
        "id": f"session_{number:032x}",
        "agent_id": "agent_1",
        "harness_id": "harness_1",
        "organization_id": "org_1",
        "workspace_id": f"workspace_{number}",
        "created_at": time(number),
        "updated_at": time(number),
    }
    return Session.model_validate(defaults | fields)


def account(number: int, api_key: str | None = None, **fields: object) -> ProviderAccount:
    model = OfferedModel(
        id=f"model_{number:032x}",
        provider_id=f"provider_{number:032x}",
        provider_name="p",
        provider_type="simulated",
        model_id="m",
        display_name="M",
        created_at=time(number),
        updated_at=time(number),
    )
    defaults = {
        "id": f"provider_{number:032x}",
        "name": "p",
        "provider_type": "simulated",
        "models": [model],
        "api_key_set": api_key is not None,
        "created_at": time(number),
        "updated_at": time(number),
    }
    return ProviderAccount(
        provider=Provider.model_validate(defaults | fields),
        api_key=SecretStr(api_key) if api_key else None,
    )


def events(
    number: int,
    first: int,
    count: int = 1,
    *,
    kind: EventType = EventType.MESSAGE_CREATED,
    turn: str | None = "turn_1",
    text: str = "hé\x00llo",
) -> list[Event]:
    new = NewEvent(kind, {"text": text}, {"turn_id": turn} if turn else {})
    sequences = range(first, first + count)
    return [
        new.at(f"session_{number:032x}", place, 1_800_000_000_000 + place) for place in sequences
    ]


def append(number: int, new: list[Event], **summary: object) -> Append:
    fields = {"status": "active", "sequence": new[-1].sequence} | summary
    return Append(
        f"session_{number:032x}", new[0].sequence, new, SessionSummary.model_validate(fields)
    )


def wait(kind: str, place: int = 0) -> dict[str, str]:
    return {"type": kind, "tool_call_id": f"call_{place}", "name": "n", "since": time(1)}


def file(path: str, content: bytes = b"", **fields: object) -> File:
    plain = File(path, False, False, "text", len(content), time(1), time(1), content)
    return replace(plain, **fields)


def workspace(number: int, **fields: object) -> Workspace:
    defaults = {
        "id": f"workspace_{number}",
        "name": f"Workspace {number}",
        "created_at": time(number),
        "updated_at": time(number),
    }
    return Workspace.model_validate(defaults | fields)


def api_key(number: int) -> ApiKey:
    return ApiKey(
        id=f"key_{number}", name="Ä☃", hash="0" * 64, last_four="abcd", created_at=time(number)
    )


def budget(number: int, subject_id: str, **fields: object) -> Budget:
    defaults = {
        "id": f"budget_{number}",
        "subject_type": subject_id.partition("_")[0],
        "subject_id": subject_id,
        "currency": "tokens",
        "limit": 100,
        "organization_id": "org_1",
        "created_at": time(number),
        "updated_at": time(number),
    }
    return Budget.model_validate(defaults | fields)


def answer(number: int, place: int, tokens: int = 0, usd: float | None = None) -> Append:
    """What stores an answer of a model with its usage."""
    data = {
        "message": {"id": f"message_{place}"},
        "usage": {"output_tokens": tokens, "estimated_cost_usd": usd},
    }
    new = NewEvent(EventType.MESSAGE_CREATED, data, {"turn_id": "turn_1"})
    return append(number, [new.at(f"session_{number:032x}", place, 1_800_000_000_000 + place)])


def log(store: Store, number: int, **query: object) -> list[int]:
    found = store.logs.read(f"session_{number:032x}", EventQuery(**query))
    return [event.sequence for event in found]


# Agents


def test_a_stored_agent_is_found_as_it_was(store: Store) -> None:
    stored = agent(
        1,
        system_prompt="Be kind.\nÄ☃",
        tags=["a"],
        capabilities=[CapabilityConfig(ref="time", config={"zone": [1, None]})],
        usage=Usage(input_tokens=3),
    )
    store.agents.put(stored)
    assert store.agents.find(stored.id) == stored


def test_an_unknown_agent_is_none(store: Store) -> None:
    assert store.agents.find("agent_0") is None
    assert store.agents.find_by_name("nobody") is None


def test_an_agent_put_again_is_replaced(store: Store) -> None:
    for version in range(5):
        store.agents.put(agent(1, name=f"version {version}"))
    assert store.agents.find(agent(1).id) == agent(1, name="version 4")
    assert store.agents.list(ListQuery()) == ([agent(1, name="version 4")], 1)


def test_an_archived_agent_is_found_but_not_listed(store: Store) -> None:
    archived = agent(1, status="archived")
    store.agents.put(agent(1))
    store.agents.put(archived)
    assert store.agents.find(archived.id) == archived
    assert store.agents.list(ListQuery()) == ([], 0)
    assert store.agents.find_by_name(archived.name) is None


def test_a_name_finds_its_newest_active_agent(store: Store) -> None:
    for number, status in ((2, "active"), (1, "active"), (3, "archived")):
        store.agents.put(agent(number, name="same", status=status))
    found = store.agents.find_by_name("same")
    assert found is not None
    assert found.id == agent(2).id


def test_agents_are_listed_newest_first_page_by_page(store: Store) -> None:
    for number in (3, 1, 5, 2, 4):
        store.agents.put(agent(number))
    assert store.agents.list(ListQuery(offset=1, limit=2)) == ([agent(4), agent(3)], 5)
    assert store.agents.list(ListQuery(offset=4, limit=2)) == ([agent(1)], 5)
    assert store.agents.list(ListQuery(offset=9)) == ([], 5)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("ALPHA", [1]),
        ("beta", [2]),
        ("gamma delta", [3]),
        (f"{2:032x}", [2]),
        ("ÖL", [3]),
        ("100%", [1]),
        ("a_b", [2]),
        ("/", [3]),
        ("\\", []),
        ("nothing", []),
        ("", [3, 2, 1]),
    ],
)
def test_a_search_is_a_text_contained_in_any_case(
    store: Store, search: str, found: list[int]
) -> None:
    store.agents.put(agent(1, name="Alpha 100%", description="1000 aXb"))
    store.agents.put(agent(2, name="n", display_name="the BETA a_b"))
    store.agents.put(agent(3, name="n", description="Gamma Delta/öl"))
    agents, total = store.agents.list(ListQuery(search=search))
    assert [each.id for each in agents] == [agent(number).id for number in found]
    assert total == len(found)


# Providers


def test_a_provider_keeps_its_key_and_its_models(store: Store) -> None:
    stored = account(1, "sk-secret", settings={"a": {"b": [1.5, None]}})
    store.providers.put(stored)
    store.providers.put(account(2))
    assert store.providers.list() == [account(2), stored]


def test_a_provider_keeps_its_headers(store: Store) -> None:
    headers = {"x-team": SecretStr("team-secret"), "authorization": SecretStr("Basic abc")}
    stored = account(1).model_copy(update={"headers": headers})
    store.providers.put(stored)
    assert store.providers.list() == [stored]
    store.providers.put(account(1))
    assert store.providers.list() == [account(1)]


def test_a_provider_put_again_is_replaced(store: Store) -> None:
    for key in ("first", None, "last"):
        store.providers.put(account(1, key))
    assert store.providers.list() == [account(1, "last")]


def test_a_deleted_provider_can_come_again(store: Store) -> None:
    for _ in range(3):
        store.providers.put(account(1))
        assert store.providers.delete(account(1).provider.id)
        assert not store.providers.delete(account(1).provider.id)
    assert store.providers.list() == []


# Sessions


def test_a_stored_session_is_found_as_it_was(store: Store) -> None:
    stored = session(
        1, title="t", tags=["x"], locale="de", model_id="p/m", max_iterations=4, end_user="alice"
    )
    store.sessions.insert(stored)
    assert store.sessions.find(stored.id) == stored
    assert store.sessions.find("session_0") is None


def test_a_session_comes_with_its_files_and_its_receipt(store: Store) -> None:
    receipt = Receipt("key", "request", b'{"id": 1}')
    store.sessions.insert(session(1), [StoredFile("workspace_1", file("/a", b"hi"))], receipt)
    assert store.files.find("workspace_1", "/a") == file("/a", b"hi")
    assert store.receipts.find("key") == receipt


def test_a_session_can_begin_with_a_log_that_goes_on(store: Store) -> None:
    begun = append(1, events(1, 1, 3), status="idle", preview="in", updated_at=time(2))
    store.sessions.insert(session(1), (), Receipt("key", "request", b"{}"), begun)

    assert log(store, 1) == [1, 2, 3]
    found = store.sessions.find(session(1).id)
    assert (found.status, found.preview) == ("idle", "in")
    assert store.logs.lengths([found.id]) == {found.id: 3}
    assert store.receipts.find("key") is not None
    assert store.logs.append([append(1, events(1, 4))]) == [None]
    assert listed(store, status="active") == [1]


def test_events_are_read_without_the_ranges_to_leave_out(store: Store) -> None:
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1, 9))])
    query = EventQuery(without=[(2, 3), (7, 9)])

    found = store.logs.read(session(1).id, query)

    assert [event.sequence for event in found] == [1, 4, 5, 6]
    assert store.logs.count(session(1).id, query) == 4
    page = store.logs.read(session(1).id, replace(query, offset=1, limit=2))
    assert [event.sequence for event in page] == [4, 5]


def test_a_deleted_session_takes_its_receipt_along_and_no_other(store: Store) -> None:
    for number in (1, 2):
        receipt = Receipt(f"key {number}", "request", b"{}", session(number).id)
        store.sessions.insert(session(number), receipt=receipt)
    assert store.sessions.delete(session(1).id)
    assert store.receipts.find("key 1") is None
    assert store.receipts.find("key 2") is not None


def test_sessions_are_listed_newest_first_by_agent_and_text(store: Store) -> None:
    store.sessions.insert(session(2, title="Weather"))
    store.sessions.insert(session(1, preview="what is the WEATHER"))
    store.sessions.insert(session(3, agent_id=None, title="weather"))
    store.sessions.insert(session(4))

    def numbers(query: SessionQuery) -> tuple[list[int], int]:
        found, total = store.sessions.list(query)
        return [int(each.id.removeprefix("session_"), 16) for each in found], total

    assert numbers(SessionQuery()) == ([4, 3, 2, 1], 4)
    assert numbers(SessionQuery(search="weather")) == ([3, 2, 1], 3)
    assert numbers(SessionQuery(search="weather", agent_id="agent_1", limit=1)) == ([2], 2)
    assert numbers(SessionQuery(agent_id="agent_2")) == ([], 0)


def listed(store: Store, **query: object) -> list[int]:
    """Return the numbers of the sessions that a list has."""
    found, total = store.sessions.list(SessionQuery(**query))
    assert total == len(found)
    return [int(each.id.removeprefix("session_"), 16) for each in found]


def test_sessions_are_listed_by_what_they_do_and_wait_for(store: Store) -> None:
    for number in range(1, 6):
        store.sessions.insert(session(number))
    waits = {
        3: ["tool_call", "question"],
        4: ["approval"],
        5: ["approval", "approval"],
    }
    store.logs.append([append(2, events(2, 1), status="idle")])
    for number, kinds in waits.items():
        waiting_for = [wait(kind, place) for place, kind in enumerate(kinds)]
        # One of the calls runs on while another one is held.
        status = "active" if number == 5 else "waitingfortoolresults"
        summary = {"status": status, "waiting_for": waiting_for}
        store.logs.append([append(number, events(number, 1), **summary)])

    assert listed(store, status="started") == [1]
    assert listed(store, status="idle") == [2]
    assert listed(store, status="waitingfortoolresults") == [4, 3]
    assert listed(store, status="active") == [5]
    assert listed(store, waiting=True) == [5, 4, 3]
    assert listed(store, waiting="approval") == [5, 4]
    assert listed(store, waiting="question") == [3]
    assert listed(store, waiting="tool_call") == [3]

    store.logs.append([append(3, events(3, 2), status="idle")])
    assert listed(store, waiting=True) == [5, 4]


def test_sessions_are_listed_by_all_of_their_tags_and_by_their_end_user(store: Store) -> None:
    store.sessions.insert(session(1, tags=["a", "b", "a"], end_user="alice"))
    store.sessions.insert(session(2, tags=["a"], end_user="bob"))
    store.sessions.insert(session(3, tags=["A"]))

    assert listed(store, tags=["a"]) == [2, 1]
    assert listed(store, tags=["a", "b"]) == [1]
    assert listed(store, tags=["a", "x"]) == []
    assert listed(store, end_user="alice") == [1]
    assert listed(store, end_user="alice", tags=["b"], search="session_") == [1]

    assert store.sessions.delete(session(1).id)
    assert listed(store, tags=["b"]) == []


def test_sessions_are_listed_by_time_in_either_order(store: Store) -> None:
    for number in range(1, 5):
        store.sessions.insert(session(number))
    store.logs.append([append(2, events(2, 1), updated_at=time(9))])
    store.logs.append([append(1, events(1, 1), updated_at=time(8))])
    ms = [parse_time(time(age)) for age in range(10)]

    assert listed(store, sort="updated") == [2, 1, 4, 3]
    assert listed(store, sort="updated", ascending=True) == [3, 4, 1, 2]
    assert listed(store, ascending=True) == [1, 2, 3, 4]
    assert listed(store, updated_from_ms=ms[8]) == [2, 1]
    assert listed(store, updated_until_ms=ms[8]) == [4, 3]
    assert listed(store, created_from_ms=ms[2], created_until_ms=ms[4]) == [3, 2]


def test_pages_in_either_order_go_through_all_sessions(store: Store) -> None:
    for number in range(1, 6):
        store.sessions.insert(session(number, tags=["t"] if number % 2 else []))

    for sort in ("created", "updated"):
        for ascending in (False, True):
            seen: list[str] = []
            for offset in range(0, 4, 2):
                query = SessionQuery(
                    tags=["t"], sort=sort, ascending=ascending, offset=offset, limit=2
                )
                page, total = store.sessions.list(query)
                assert total == 3
                seen += [each.id for each in page]
            expected = [session(number).id for number in (1, 3, 5)]
            assert seen == (expected if ascending else expected[::-1])


def test_a_changed_session_keeps_what_its_log_says(store: Store) -> None:
    store.sessions.insert(session(1, title="old", tags=["a", "b"], end_user="alice"))
    summary = {"status": "idle", "preview": "in", "updated_at": time(5)}
    store.logs.append([append(1, events(1, 1), **summary)])
    changes = {"title": "new", "tags": ["b", "c"], "metadata": {"order": 17}, "model_id": "p/m"}

    stale = session(1, end_user="alice", updated_at=time(7), **changes)
    assert store.sessions.update(stale)

    expected = stale.model_copy(update={"status": "idle", "preview": "in"})
    assert store.sessions.find(stale.id) == expected
    assert [listed(store, tags=[tag]) for tag in "abc"] == [[], [1], [1]]
    assert listed(store, search="new") == [1]
    assert listed(store, updated_from_ms=parse_time(time(7))) == [1]

    store.logs.append([append(1, events(1, 2), **summary | {"updated_at": time(6)})])
    assert store.sessions.find(stale.id).updated_at == time(7)
    assert listed(store, updated_from_ms=parse_time(time(7))) == [1]


def test_a_session_that_does_not_exist_is_not_changed(store: Store) -> None:
    assert not store.sessions.update(session(1, tags=["a"]))
    assert listed(store) == []
    assert listed(store, tags=["a"]) == []


def test_a_session_grows_and_shrinks_by_changes(store: Store) -> None:
    store.sessions.insert(session(1))
    for prompt in ("wide " * 20_000, "wider " * 30_000, None):
        changed = session(1, system_prompt=prompt)
        assert store.sessions.update(changed)
        assert store.sessions.find(changed.id) == changed


def test_sessions_are_listed_by_caller_going_on_after_one_of_them(store: Store) -> None:
    for number, end_user in enumerate(["", "alice", "bob", "alice", "", "alice"], 1):
        store.sessions.insert(session(number, end_user=end_user))
    store.sessions.insert(session(7, end_user="alice", agent_id="agent_2"))
    store.sessions.insert(session(8))  # Not made through a channel.

    def numbers(caller: Caller, after: int | None = None) -> tuple[list[int], int]:
        older_than = None if after is None else (parse_time(time(after)), session(after).id)
        found, total = store.sessions.list(
            SessionQuery(caller=caller, older_than=older_than, limit=2)
        )
        return [int(each.id.removeprefix("session_"), 16) for each in found], total

    alice = Caller("agent_1", "alice")
    assert numbers(alice) == ([6, 4], 3)
    assert numbers(alice, after=4) == ([2], 1)
    assert numbers(Caller("agent_1")) == ([5, 1], 2)


@pytest.mark.parametrize(
    ("grant", "numbers"),
    [
        (Grant(rights=["read"], agent_ids=["agent_1"]), [4, 2, 1]),
        (Grant(rights=["read"], agent_ids=["agent_2", "agent_1"]), [4, 3, 2, 1]),
        (Grant(rights=["read"], agent_ids=["agent_1"], end_user="alice"), [2]),
        (Grant(rights=["read"], session_id=f"session_{3:032x}"), [3]),
        (Grant(rights=["read"]), []),
    ],
)
def test_only_sessions_that_a_grant_covers_are_listed(
    store: Store, grant: Grant, numbers: list[int]
) -> None:
    store.sessions.insert(session(1))
    store.sessions.insert(session(2, end_user="alice"))
    store.sessions.insert(session(3, agent_id="agent_2", end_user="alice"))
    store.sessions.insert(session(4, end_user="bob"))
    store.sessions.insert(session(5, agent_id=None))

    found, total = store.sessions.list(SessionQuery(within=grant))

    assert [int(each.id.removeprefix("session_"), 16) for each in found] == numbers
    assert total == len(numbers)


def test_a_session_says_what_its_last_append_summed_up(store: Store) -> None:
    store.sessions.insert(session(1, title="t", end_user="alice"))
    summary = {
        "status": "idle",
        "usage": Usage(input_tokens=5, output_tokens=7, estimated_cost_usd=0.25),
        "preview": "in",
        "output_preview": "out",
        "started_at": time(10),
        "finished_at": time(11),
        "updated_at": time(12),
    }
    store.logs.append([append(1, events(1, 1, 2), **summary)])
    assert store.sessions.find(session(1).id) == session(1, title="t", end_user="alice", **summary)


def test_deleting_a_session_takes_its_log_and_files_along(store: Store) -> None:
    for number in (1, 2):
        files = [StoredFile(f"workspace_{number}", file("/a"))]
        store.sessions.insert(session(number), files)
        store.logs.append([append(number, events(number, 1, 3))])
    assert store.sessions.delete(session(1).id)
    assert not store.sessions.delete(session(1).id)
    assert store.sessions.find(session(1).id) is None
    assert log(store, 1) == []
    assert store.files.list("workspace_1", "/") == []
    assert log(store, 2) == [1, 2, 3]
    assert len(store.files.list("workspace_2", "/")) == 1


def test_sessions_with_an_open_turn_are_told_oldest_first(store: Store) -> None:
    for number in (2, 1, 3):
        store.sessions.insert(session(number))
        store.logs.append([append(number, events(number, 1))])
    store.logs.append([append(3, events(3, 2), status="idle")])
    assert store.sessions.unfinished() == [session(1).id, session(2).id]


def test_a_turn_that_does_not_say_for_what_it_waits_is_not_left_out(store: Store) -> None:
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1), turn_id="turn_1", waits_until_ms=NEVER_MS)])
    assert store.sessions.unfinished(1000) == [session(1).id]


def test_turns_that_only_wait_are_left_out_until_they_are_due(store: Store) -> None:
    for number, until_ms in ((1, 1000), (2, 2000), (3, NEVER_MS), (4, None)):
        store.sessions.insert(session(number))
        waits = {
            "turn_id": "turn_1",
            "waits_until_ms": until_ms,
            "waiting_for": [wait("tool_call")],
        }
        store.logs.append([append(number, events(number, 1), **waits)])
    assert store.sessions.unfinished(1000) == [session(1).id, session(4).id]
    in_a_century = 4_000_000_000_000
    assert store.sessions.unfinished(in_a_century) == [session(n).id for n in (1, 2, 4)]


# Event logs


def test_events_are_read_back_byte_for_byte(store: Store) -> None:
    store.sessions.insert(session(1))
    stored = [*events(1, 1, 2), *events(1, 3, turn=None)]
    assert store.logs.append([append(1, stored)]) == [None]
    assert store.logs.read(session(1).id, EventQuery()) == stored


def test_a_page_of_events_ends_at_a_size_but_has_one_at_least(store: Store) -> None:
    store.sessions.insert(session(1))
    stored = events(1, 1, 3)
    store.logs.append([append(1, stored)])
    size = len(stored[0].body)

    def page(**query: int) -> list[int]:
        found = store.logs.read(session(1).id, EventQuery(**query))
        return [event.sequence for event in found]

    assert page(size_bytes=1) == [1]
    assert page(size_bytes=2 * size) == [1, 2]
    assert page(size_bytes=2 * size, after=1) == [2, 3]
    assert page(size_bytes=10 * size, limit=1) == [1]


def test_an_append_out_of_place_is_refused(store: Store) -> None:
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1, 2))])
    gap, fork = append(1, events(1, 4)), append(1, events(1, 2, text="other"))
    for refused in (gap, fork):
        [verdict] = store.logs.append([refused])
        assert isinstance(verdict, SequenceConflict)
    assert log(store, 1) == [1, 2]


def test_an_append_to_no_session_is_refused(store: Store) -> None:
    [verdict] = store.logs.append([append(1, events(1, 1))])
    assert isinstance(verdict, SessionNotFound)
    assert log(store, 1) == []


def test_an_append_again_succeeds_and_stores_nothing(store: Store) -> None:
    store.sessions.insert(session(1))
    first = append(1, events(1, 1, 2), preview="first")
    store.logs.append([first])
    store.logs.append([append(1, events(1, 3), preview="second")])
    assert store.logs.append([first, first]) == [None, None]
    assert log(store, 1) == [1, 2, 3]
    found = store.sessions.find(session(1).id)
    assert found is not None
    assert found.preview == "second"


def test_an_append_that_repeats_only_a_part_is_refused(store: Store) -> None:
    store.sessions.insert(session(1))
    store.logs.append([append(1, events(1, 1, 2))])
    [verdict] = store.logs.append([append(1, events(1, 2, 2))])
    assert isinstance(verdict, SequenceConflict)


def test_two_owners_of_one_session_cannot_both_win(store: Store) -> None:
    store.sessions.insert(session(1))
    mine, theirs = append(1, events(1, 1, text="mine")), append(1, events(1, 1, text="theirs"))
    assert mine.events[0].id == theirs.events[0].id  # the same millisecond
    mine_verdict, theirs_verdict = store.logs.append([mine, theirs])
    assert mine_verdict is None
    assert isinstance(theirs_verdict, SequenceConflict)


def test_a_batch_judges_each_append_for_itself_in_order(store: Store) -> None:
    store.sessions.insert(session(1))
    store.sessions.insert(session(2))
    verdicts = store.logs.append(
        [
            append(1, events(1, 1, 2), preview="one"),
            append(2, events(2, 5)),
            append(3, events(3, 1)),
            append(1, events(1, 3), preview="two"),
            append(1, events(1, 3)),
            append(2, events(2, 1)),
        ]
    )
    outcomes = [type(verdict) for verdict in verdicts]
    nothing = type(None)
    assert outcomes == [nothing, SequenceConflict, SessionNotFound, nothing, nothing, nothing]
    assert (log(store, 1), log(store, 2), log(store, 3)) == ([1, 2, 3], [1], [])
    found = store.sessions.find(session(1).id)
    assert found is not None
    assert found.preview == "two"


def test_misnumbered_events_are_refused_and_harm_nobody(store: Store) -> None:
    store.sessions.insert(session(1))
    store.sessions.insert(session(2))
    wrong = append(1, events(1, 1) + events(1, 1))
    verdicts = store.logs.append([wrong, append(2, events(2, 1))])
    assert isinstance(verdicts[0], SequenceConflict)
    assert verdicts[1] is None


def test_an_empty_batch_is_no_work(store: Store) -> None:
    assert store.logs.append([]) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"after": 2}, [3, 4, 5, 6]),
        ({"after": 0, "before": 3}, [1, 2]),
        ({"limit": 2}, [1, 2]),
        ({"limit": 2, "newest_first": True}, [6, 5]),
        ({"limit": 0}, []),
        ({"types": ["tool.call", "session.started"]}, [3, 4]),
        ({"since_ms": 1_800_000_000_003}, [3, 4, 5, 6]),
        ({"until_ms": 1_800_000_000_004, "types": ["tool.call"]}, [3, 4]),
        ({"since_ms": 1_800_000_000_005, "until_ms": 1_800_000_000_004}, []),
        ({"turn_id": "turn_2"}, [5, 6]),
        ({"turn_id": "turn_2", "after": 1, "before": 6, "newest_first": True}, [5]),
    ],
)
def test_events_are_listed_by_all_conditions_together(
    store: Store, query: dict[str, object], found: list[int]
) -> None:
    store.sessions.insert(session(1))
    new = [
        *events(1, 1, 2),
        *events(1, 3, 2, kind=EventType.TOOL_CALL, turn=None),
        *events(1, 5, 2, kind=EventType.TOOL_RESULT, turn="turn_2"),
    ]
    store.logs.append([append(1, new)])
    assert log(store, 1, **query) == found


# Receipts


def test_the_first_answer_under_a_key_stays(store: Store) -> None:
    store.agents.put(agent(1), Receipt("key", "a", b"first"))
    store.agents.put(agent(2), Receipt("key", "b", b"second"))
    assert store.receipts.find("key") == Receipt("key", "a", b"first")
    assert store.receipts.find("other") is None


def test_old_receipts_are_forgotten(store: Store) -> None:
    store.agents.put(agent(1), Receipt("key", "a", b"first"))
    store.receipts.forget(before_ms=now_ms() - 60_000)
    assert store.receipts.find("key") is not None
    store.receipts.forget(before_ms=now_ms() + 60_000)
    assert store.receipts.find("key") is None


# API keys


def test_api_keys_are_listed_oldest_first(store: Store) -> None:
    one, two, three = (api_key(number) for number in (1, 2, 3))
    store.api_keys.put(two, three)
    store.api_keys.put(one)
    assert store.api_keys.list() == [one, two, three]


def test_an_api_key_that_is_stored_again_is_there_once(store: Store) -> None:
    store.api_keys.put(api_key(1))
    renamed = api_key(1).model_copy(update={"name": "other"})
    store.api_keys.put(renamed)
    assert store.api_keys.list() == [renamed]


def test_a_store_has_one_secret_for_access_tokens(store: Store) -> None:
    assert store.api_keys.signing_secret() == store.api_keys.signing_secret()
    assert len(store.api_keys.signing_secret()) == 32
    assert store.api_keys.signing_secret() != MemoryStore().api_keys.signing_secret()


def test_a_deleted_api_key_is_gone(store: Store) -> None:
    store.api_keys.put(api_key(1), api_key(2))
    assert store.api_keys.delete(api_key(1).id)
    assert not store.api_keys.delete(api_key(1).id)
    assert store.api_keys.list() == [api_key(2)]


# Workspaces


def test_a_stored_workspace_is_found_as_it_was(store: Store) -> None:
    stored = workspace(1, description="Ä☃")
    store.workspaces.put(stored)
    assert store.workspaces.find(stored.id) == stored
    assert store.workspaces.find("workspace_2") is None


def test_a_workspace_put_again_is_replaced(store: Store) -> None:
    for version in range(3):
        store.workspaces.put(workspace(1, name=f"version {version}"))
    assert store.workspaces.list(ListQuery()) == ([workspace(1, name="version 2")], 1)


def test_workspaces_are_listed_newest_first_by_text_and_status(store: Store) -> None:
    for number, name in ((2, "Report"), (1, "old REPORT"), (3, "Notes")):
        store.workspaces.put(workspace(number, name=name))
    archived = workspace(4, name="report", status="archived", archived_at=time(5))
    store.workspaces.put(archived)

    found, total = store.workspaces.list(ListQuery(search="report"))
    assert [each.id for each in found] == ["workspace_2", "workspace_1"]
    assert total == 2
    found, total = store.workspaces.list(ListQuery(include_archived=True, limit=1))
    assert (found, total) == ([archived], 4)


def test_a_workspace_outlives_the_sessions_that_share_it(store: Store) -> None:
    store.workspaces.put(workspace(1))
    for number in (1, 2):
        files = [StoredFile("workspace_1", file(f"/{number}"))]
        store.sessions.insert(session(number, workspace_id="workspace_1"), files)
    assert store.sessions.delete(session(1).id)
    assert [found.path for found in store.files.list("workspace_1", "/")] == ["/1", "/2"]


# Files


def test_a_file_is_found_with_its_content(store: Store) -> None:
    stored = file("/a/b.bin", bytes(range(256)), encoding="base64", is_readonly=True)
    store.files.put([StoredFile("w", stored)])
    assert store.files.find("w", "/a/b.bin") == stored
    assert store.files.find("w", "/a") is None
    assert store.files.find("other", "/a/b.bin") is None


def test_files_are_listed_by_prefix_sorted_with_contents_on_demand(store: Store) -> None:
    paths = ["/b", "/a/Z", "/a/ä", "/a/b", "/a%", "/a"]
    store.files.put([StoredFile("w", file(path, b"xyz")) for path in paths])
    assert [found.path for found in store.files.list("w", "/a/")] == ["/a/Z", "/a/b", "/a/ä"]
    assert [found.path for found in store.files.list("w", "/a%")] == ["/a%"]
    assert {found.content for found in store.files.list("w", "/")} == {b""}
    assert {found.size_bytes for found in store.files.list("w", "/")} == {3}
    assert {found.content for found in store.files.list("w", "/", contents=True)} == {b"xyz"}


def test_files_are_read_by_their_paths_with_their_contents(store: Store) -> None:
    paths = ["/b", "/a", "/a/b", "/c"]
    store.files.put([StoredFile("w", file(path, path.encode())) for path in paths])
    store.files.put([StoredFile("other", file("/d"))])

    read = store.files.read("w", ["/b", "/a/b", "/d", "/none", "/b"])

    assert read == [file("/a/b", b"/a/b"), file("/b", b"/b")]
    assert store.files.read("w", []) == []


def test_a_file_put_again_is_replaced(store: Store) -> None:
    store.files.put([])
    for version in (b"1", b"22", b"333"):
        store.files.put([StoredFile("w", file("/a", version)), StoredFile("w", file("/b"))])
    assert store.files.list("w", "/", contents=True) == [file("/a", b"333"), file("/b")]


def test_of_one_path_put_twice_at_once_the_last_stays(store: Store) -> None:
    store.files.put([StoredFile("w", file("/a", b"1")), StoredFile("w", file("/a", b"2"))])
    assert store.files.list("w", "/", contents=True) == [file("/a", b"2")]


def test_deleted_files_can_come_again(store: Store) -> None:
    for _ in range(3):
        store.files.put([StoredFile("w", file(path)) for path in ("/a", "/b", "/c")])
        assert store.files.delete("w", ["/a", "/b", "/b", "/none"]) == 2
        assert store.files.delete("w", []) == 0
        assert [found.path for found in store.files.list("w", "/")] == ["/c"]


def test_files_are_exchanged_for_others(store: Store) -> None:
    store.files.put([StoredFile("w", file(path, b"old")) for path in ("/a", "/b", "/c")])
    store.files.exchange("w", {"/a", "/b"}, [file("/c", b"new"), file("/d", b"new")])
    left = store.files.list("w", "/", contents=True)
    assert [(found.path, found.content) for found in left] == [("/c", b"new"), ("/d", b"new")]


# Budgets


def test_budgets_in_force_are_listed_newest_first_by_subject(store: Store) -> None:
    first, second = budget(1, "agent_1"), budget(2, "session_1", metadata={"a": [1.5]})
    for stored in (first, second, budget(3, "agent_1", status="disabled")):
        store.budgets.put(stored)

    assert store.budgets.list() == [second, first]
    assert store.budgets.list(limit=1) == [second]
    assert store.budgets.list("agent") == [first]
    assert store.budgets.list(None, ["session_1", "session_2"]) == [second]
    assert store.budgets.find("budget_3") == budget(3, "agent_1", status="disabled")
    assert store.budgets.find("budget_4") is None
    subjects = ("agent_1", "session_1", "session_2", None)
    assert [store.budgets.is_budgeted(subject) for subject in subjects] == [
        True,
        True,
        False,
        False,
    ]


def test_a_subject_is_budgeted_until_its_last_budget_is_disabled(store: Store) -> None:
    told: list[bool] = []
    for number, status in ((1, "active"), (2, "paused"), (1, "disabled"), (2, "disabled")):
        store.budgets.put(budget(number, "agent_1", status=status))
        told.append(store.budgets.is_budgeted("agent_1"))

    assert told == [True, True, True, False]


def test_an_answer_is_charged_to_its_session_and_its_agent(store: Store) -> None:
    for number in (1, 2):
        store.sessions.insert(session(number))
    store.budgets.put(budget(1, "agent_1"))
    store.budgets.put(budget(2, session(1).id, currency="usd"))

    store.logs.append([answer(1, 1, 30, 0.1), answer(2, 1, 5, 0.3)])
    store.logs.append([answer(1, 2, 10, 0.2), answer(1, 3, 0)])

    totals = store.ledger.totals(["budget_1", "budget_2", "budget_3"])
    assert totals == {"budget_1": 45, "budget_2": Decimal("0.3")}
    newest, oldest = store.ledger.list("budget_2", 0, 10)
    since = {"budget_2": newest.created_at}
    assert store.ledger.totals(["budget_1", "budget_2"], since) == {
        "budget_1": 45,
        "budget_2": Decimal("0.2"),
    }
    assert store.ledger.totals(["budget_2"], {"budget_2": time(10**9)}) == {}
    assert (newest.amount, newest.ref_id, newest.session_id) == (0.2, "message_2", session(1).id)
    assert store.ledger.list("budget_2", 1, 10) == [oldest]


def test_a_call_that_was_broken_off_is_charged_once(store: Store) -> None:
    store.sessions.insert(session(1))
    store.budgets.put(budget(1, "agent_1"))
    data = {"turn_id": "turn_1", "unfinished": {"usage": {"input_tokens": 9}}}
    ended = NewEvent(EventType.SESSION_CANCELLED, data, {}).at(session(1).id, 1, 1_800_000_000_000)

    for _ in range(2):
        assert store.logs.append([append(1, [ended])]) == [None]

    assert store.ledger.totals(["budget_1"]) == {"budget_1": 9}


def test_an_answer_stored_twice_is_charged_once(store: Store) -> None:
    store.sessions.insert(session(1))
    store.budgets.put(budget(1, "agent_1"))

    for _ in range(3):
        assert store.logs.append([answer(1, 1, 7), answer(1, 1, 7)]) == [None, None]
    assert store.logs.append([answer(1, 1, 8)]) != [None]

    assert store.ledger.totals(["budget_1"]) == {"budget_1": 7}


def test_a_budget_is_charged_for_what_comes_while_it_is_in_force(store: Store) -> None:
    store.sessions.insert(session(1))
    store.logs.append([answer(1, 1, 1)])
    store.budgets.put(budget(1, "agent_1"))
    store.logs.append([answer(1, 2, 2)])
    store.budgets.put(budget(1, "agent_1", status="disabled"))
    store.logs.append([answer(1, 3, 4)])
    store.budgets.put(budget(1, "agent_1", status="paused"))
    store.logs.append([answer(1, 4, 8)])

    assert store.ledger.totals(["budget_1"]) == {"budget_1": 10}


def test_an_entry_is_kept_as_it_was_put_first(store: Store) -> None:
    entry = LedgerEntry(
        id="ledger_1",
        budget_id="budget_1",
        amount=-0.1,
        meter_source="top_up",
        description="Ä☃",
        created_at=time(1),
    )
    store.ledger.put(entry)
    store.ledger.put(entry.model_copy(update={"amount": -5}))

    assert store.ledger.list("budget_1", 0, 10) == [entry]
    assert store.ledger.totals(["budget_1"]) == {"budget_1": Decimal("-0.1")}


def test_a_deleted_session_takes_its_budgets_along_and_leaves_what_it_cost(store: Store) -> None:
    store.sessions.insert(session(1))
    for number, subject_id in ((1, "agent_1"), (2, session(1).id)):
        store.budgets.put(budget(number, subject_id))
    store.logs.append([answer(1, 1, 7)])
    store.sessions.delete(session(1).id)

    assert store.ledger.totals(["budget_1", "budget_2"]) == {"budget_1": 7}
    assert store.budgets.find("budget_2") is None
    assert not store.budgets.is_budgeted(session(1).id)


# The store itself


def test_an_open_store_answers(store: Store) -> None:
    store.ping()


def test_many_threads_read_while_one_writes(store: Store) -> None:
    store.sessions.insert(session(1))
    done = Signal()

    def read_until_done() -> None:
        while not done.is_set():
            sequences = log(store, 1)
            assert sequences == list(range(1, len(sequences) + 1))

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read_until_done) for _ in range(4)]
        try:
            for first in range(1, 41, 2):
                assert store.logs.append([append(1, events(1, first, 2))]) == [None]
        finally:
            done.set()
    for reader in readers:
        reader.result()
    assert log(store, 1) == list(range(1, 41))
