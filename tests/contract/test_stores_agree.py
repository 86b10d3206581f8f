"""Whatever is done to two stores, both answer the same."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from operator import attrgetter
from typing import Any
from uuid import uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from everruns.domain.agents import Agent
from everruns.domain.events import NewEvent
from everruns.domain.files import File
from everruns.domain.keys import ApiKey
from everruns.domain.llm import Provider, ProviderAccount
from everruns.domain.mcp_servers import McpServer
from everruns.domain.sessions import Session, SessionSummary
from everruns.domain.snapshots import Snapshot
from everruns.domain.waits import Wait
from everruns.domain.workspaces import Workspace
from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.duckdb.database import DuckDB
from everruns.storage.duckdb.engine import duckdb_engine
from everruns.storage.files import StoredFile
from everruns.storage.logs import FIRST_HOLDER, Append, EventQuery
from everruns.storage.mcp_authorizations import Kind, StoredAuthorization
from everruns.storage.memory.store import MemoryStore
from everruns.storage.receipts import Receipt
from everruns.storage.sql.store import SqlStore
from everruns.storage.sql.tables import metadata
from everruns.storage.store import Store
from tests.contract.drawn_queries import (
    agent_queries,
    event_queries,
    kinds,
    maybe_texts,
    numbers,
    session_queries,
    tags,
    texts,
    times,
    turns,
    workspace_queries,
)
from tests.postgres import postgres_store

holders = st.sampled_from([FIRST_HOLDER, FIRST_HOLDER, FIRST_HOLDER + 1])
end_users = st.sampled_from([None, "", "alice", "bob"])
receipts = st.none() | st.builds(Receipt, st.sampled_from("kl"), texts, st.binary(max_size=4))
paths = st.sampled_from(["/a", "/a/b", "/a/B", "/ä", "/%"])
workspaces = st.sampled_from(["workspace_1", "workspace_2"])
files = st.builds(
    lambda workspace, path, content, time: StoredFile(
        workspace, File(path, False, False, "text", len(content), time, time, content)
    ),
    workspaces,
    paths,
    st.binary(max_size=8),
    times,
)
waits = st.builds(
    Wait,
    type=st.sampled_from(["tool_call", "question", "approval"]),
    tool_call_id=st.just("call_1"),
    name=st.just("n"),
    since=times,
)
summaries = st.builds(
    SessionSummary,
    status=st.sampled_from(["active", "idle", "waitingfortoolresults"]),
    waiting_for=st.lists(waits, max_size=2),
    last_outcome=st.sampled_from([None, "completed", "failed"]),
    preview=maybe_texts,
    output_preview=maybe_texts,
    started_at=st.none() | times,
    updated_at=st.none() | times,
)

authorization_kinds = st.sampled_from(["authorization", "consent", "client"])
expiries = st.none() | st.integers(1, 3)


def authorization(
    number: int, server: int, kind: Kind, version: str, expires_ms: int | None
) -> StoredAuthorization:
    """An authorization of one of three subjects."""
    return StoredAuthorization(
        id=f"mcpauthorization_{number}",
        server_id=f"mcpserver_{server}",
        kind=kind,
        subject_id=f"subject_{number}",
        version=version,
        document="{}",
        sealed="v1:sealed",
        expires_ms=expires_ms,
    )


@st.composite
def appends(draw: st.DrawFn) -> Append:
    session_id, first = f"session_{draw(numbers):032x}", draw(st.integers(1, 7))
    new = [NewEvent(draw(kinds), {"text": draw(texts)}, {"turn_id": draw(turns)}) for _ in "12"]
    count = draw(st.integers(1, 2))
    events = [event.at(session_id, place, place) for place, event in enumerate(new[:count], first)]
    return Append(session_id, first, events, draw(summaries), draw(holders))


class StoresAgree(RuleBasedStateMachine):
    store: Callable[[], AbstractContextManager[Store]]

    def __init__(self) -> None:
        super().__init__()
        self.opened = ExitStack()
        self.sql = self.opened.enter_context(self.store())
        self.memory = MemoryStore()
        self.unused = [1, 2, 3]

    def teardown(self) -> None:
        self.opened.close()

    def both(self, method: str, *args: Any, **named: Any) -> None:
        called = attrgetter(method)
        expected = called(self.memory)(*args, **named)
        assert called(self.sql)(*args, **named) == expected

    @rule(
        number=numbers,
        name=texts.filter(bool),
        description=maybe_texts,
        status=st.sampled_from(["active", "archived"]),
        created=times,
        receipt=receipts,
    )
    def put_agent(self, number, name, description, status, created, receipt) -> None:
        agent = Agent(
            id=f"agent_{number:032x}",
            name=name,
            description=description,
            status=status,
            harness_id="h",
            created_at=created,
            updated_at=created,
        )
        self.both("agents.put", agent, receipt)
        self.both("agents.find", agent.id)
        self.both("agents.find_by_name", name)

    @rule(query=agent_queries)
    def list_agents(self, query) -> None:
        self.both("agents.list", query)

    @rule(query=workspace_queries)
    def list_workspaces(self, query) -> None:
        self.both("workspaces.list", query)

    @rule(query=session_queries)
    def list_sessions(self, query) -> None:
        self.both("sessions.list", query)

    @rule(number=numbers, key=st.none() | st.just("sk-key"), created=times)
    def put_provider(self, number, key, created) -> None:
        provider = Provider(
            id=f"provider_{number}",
            name="p",
            provider_type="simulated",
            created_at=created,
            updated_at=created,
        )
        self.both("providers.put", ProviderAccount(provider=provider, api_key=key))

    @rule(number=numbers)
    def delete_provider(self, number) -> None:
        self.both("providers.delete", f"provider_{number}")

    @rule(number=numbers, created=times, receipt=receipts, header=texts, forget=st.booleans())
    def put_mcp_server(self, number, created, receipt, header, forget) -> None:
        server = McpServer(
            id=f"mcpserver_{number}", name="s", headers={"x": header}, created_at=created
        )
        self.both("mcp_servers.put", server, receipt, forget_authorizations=forget)

    @rule(number=numbers)
    def delete_mcp_server(self, number) -> None:
        self.both("mcp_servers.delete", f"mcpserver_{number}")

    @rule(number=numbers, server=numbers, kind=authorization_kinds, version=texts, expires=expiries)
    def put_mcp_authorization(self, number, server, kind, version, expires) -> None:
        stored = authorization(number, server, kind, version, expires)
        self.both("mcp_authorizations.put", stored)
        self.both("mcp_authorizations.list", stored.server_id, kind)

    @rule(number=numbers, kind=authorization_kinds, version=texts, before=texts)
    def exchange_mcp_authorization(self, number, kind, version, before) -> None:
        stored = authorization(number, 1, kind, version, None)
        self.both("mcp_authorizations.exchange", stored, before)
        self.both("mcp_authorizations.find", stored.id)

    @rule(number=numbers, time=st.integers(1, 3))
    def delete_mcp_authorizations(self, number, time) -> None:
        self.both("mcp_authorizations.delete", f"mcpauthorization_{number}")
        self.both("mcp_authorizations.delete_consents", f"subject_{number}")
        self.both("mcp_authorizations.prune", time)

    @precondition(lambda self: self.unused)
    @rule(
        title=maybe_texts,
        end_user=end_users,
        created=times,
        first_files=st.lists(files, max_size=2),
        receipt=receipts,
        given=st.lists(tags, max_size=3),
    )
    def insert_session(self, title, end_user, created, first_files, receipt, given) -> None:
        number = self.unused.pop()
        session = Session(
            tags=given,
            id=f"session_{number:032x}",
            agent_id=f"agent_{number % 2}",
            title=title,
            end_user=end_user,
            harness_id="h",
            organization_id="o",
            workspace_id=f"workspace_{number}",
            created_at=created,
            updated_at=created,
        )
        self.both("sessions.insert", session, first_files, receipt)

    @rule(
        workspace=workspaces,
        name=texts.filter(bool),
        description=maybe_texts,
        status=st.sampled_from(["active", "archived"]),
        created=times,
    )
    def put_workspace(self, workspace, name, description, status, created) -> None:
        stored = Workspace(
            id=workspace,
            name=name,
            description=description,
            status=status,
            created_at=created,
            updated_at=created,
        )
        self.both("workspaces.put", stored)
        self.both("workspaces.find", workspace)

    @rule(number=numbers, title=maybe_texts, updated=times, given=st.lists(tags, max_size=3))
    def update_session(self, number, title, updated, given) -> None:
        session = self.memory.sessions.find(f"session_{number:032x}")
        if session is not None:
            changes = {"title": title, "tags": given, "updated_at": updated}
            self.both("sessions.update", session.model_copy(update=changes))

    @rule(number=numbers)
    def delete_session(self, number) -> None:
        self.both("sessions.delete", f"session_{number:032x}")

    @rule(batch=st.lists(appends(), max_size=5))
    def append(self, batch) -> None:
        self.append_batch(batch)
        self.append_batch(batch)

    @rule(number=numbers, data=st.data())
    def append_next(self, number, data) -> None:
        session_id = f"session_{number:032x}"
        place = len(self.memory.logs.read(session_id, EventQuery())) + 1
        new = NewEvent(data.draw(kinds), {"n": place}, {"turn_id": data.draw(turns)})
        head = self.memory.logs.heads([session_id]).get(session_id)
        holder = head.holder if head else FIRST_HOLDER
        event = new.at(session_id, place, place)
        append = Append(session_id, place, [event], data.draw(summaries), holder)
        self.append_batch([append])

    def append_batch(self, batch: list[Append]) -> None:
        expected = [type(verdict) for verdict in self.memory.logs.append(batch)]
        assert [type(verdict) for verdict in self.sql.logs.append(batch)] == expected

    @rule(number=numbers, format_=st.none() | st.integers(1, 2))
    def take(self, number, format_) -> None:
        self.both("sessions.take", f"session_{number:032x}", 0, format_)

    @rule(number=numbers, query=event_queries)
    def read_events(self, number, query) -> None:
        self.both("logs.read", f"session_{number:032x}", query)

    @rule(number=numbers, format_=st.integers(1, 2), content=st.binary(max_size=3))
    def put_snapshot(self, number, format_, content) -> None:
        session_id = f"session_{number:032x}"
        head = self.memory.logs.heads([session_id]).get(session_id)
        length = head.length if head else 1
        if length:  # An empty log has no state to take a snapshot of.
            self.both("sessions.put_snapshot", Snapshot(session_id, length, format_, content))

    @rule(new=st.lists(files, max_size=3))
    def put_files(self, new) -> None:
        self.both("files.put", new)

    @rule(workspace=workspaces, gone=st.lists(paths, max_size=3))
    def delete_files(self, workspace, gone) -> None:
        self.both("files.delete", workspace, gone)

    @rule(workspace=workspaces, gone=st.sets(paths, max_size=2), new=st.lists(files, max_size=2))
    def exchange_files(self, workspace, gone, new) -> None:
        put = [stored.file for stored in new if stored.file.path not in gone]
        self.both("files.exchange", workspace, gone, put)

    @rule(workspace=workspaces, path=paths, contents=st.booleans())
    def look_at_files(self, workspace, path, contents) -> None:
        self.both("files.find", workspace, path)
        self.both("files.list", workspace, path, contents=contents)
        self.both("files.read", workspace, [path, "/none", path])

    @rule(number=numbers, name=texts, created=times)
    def put_api_key(self, number, name, created) -> None:
        key = ApiKey(
            id=f"key_{number}", name=name, hash="0" * 64, last_four="abcd", created_at=created
        )
        self.both("api_keys.put", key)

    @rule(number=numbers)
    def delete_api_key(self, number) -> None:
        self.both("api_keys.delete", f"key_{number}")

    @invariant()
    def all_is_equal(self) -> None:
        self.both("providers.list")
        self.both("mcp_servers.list")
        self.both("api_keys.list")
        self.both("sessions.unfinished")
        self.both("sessions.count")
        self.both("receipts.find", "k")
        for number in (1, 2, 3):
            self.both("sessions.find", f"session_{number:032x}")
            self.both("logs.heads", [f"session_{number:032x}"])


@contextmanager
def duckdb_store() -> Iterator[SqlStore]:
    engine = duckdb_engine(f":memory:{uuid4().hex}")
    metadata.create_all(engine)
    store = SqlStore(DuckDB(engine), Cipher(bytes(32)))
    yield store
    store.close()


class DuckDBAgrees(StoresAgree):
    store = staticmethod(duckdb_store)


class PostgresAgrees(StoresAgree):
    store = staticmethod(postgres_store)


TestDuckDBAgrees = DuckDBAgrees.TestCase
TestPostgresAgrees = PostgresAgrees.TestCase
TestDuckDBAgrees.settings = TestPostgresAgrees.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None
)
