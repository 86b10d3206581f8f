"""Whatever dies, stands still or comes late: one owner, exact logs, no turn stuck.

A state machine drives the real registry, hosts and runtimes on a simulated cluster (see
``tests.simulation``) and checks, while it runs and when all has come to rest, what
docs/contract.md promises in "Events" and "Turns".
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from everruns.domain import snapshots
from everruns.domain.events import TURN_ENDS, Event
from everruns.domain.idempotency import Idempotency
from everruns.domain.messages import Message, SendMessage
from everruns.domain.sessions import SessionInput
from everruns.errors import NotFound, Overloaded, Unavailable
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.runtime import Runtime
from everruns.storage.logs import EventQuery
from everruns.storage.memory.store import MemoryStore
from everruns.storage.store import Store
from tests.data_directories import open_new_store
from tests.simulated_model import RING_BELL
from tests.simulated_processes import SimulatedLoop
from tests.simulation import HOSTS, Cluster

SESSIONS = 3
REPLICAS = ("replica-0", "replica-1")
REST_WITHIN_S = 600.0

sessions = st.integers(0, SESSIONS - 1)
replicas = st.sampled_from(REPLICAS)
hosts = st.sampled_from(HOSTS)
processes = st.sampled_from([*HOSTS, "registry"])
moments = st.sampled_from([0.0, 0.002, 0.02, 0.2, 0.7, 1.2, 2.0, 4.0])


@pytest.fixture(autouse=True)
def _short_sessions_get_snapshots(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(snapshots, "DUE_EVENTS", 4)


class Reader:
    """Follows a session by the cursor rules, over whatever replica answers."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.texts: dict[str, str] = {}

    async def follow(self, runtimes: list[Runtime], session_id: str) -> None:
        attempt = 0
        while True:
            runtime = runtimes[attempt % len(runtimes)]
            attempt += 1
            try:
                cursor = Cursor(self.events[-1].sequence if self.events else 0)
                async for batch in await runtime.sessions.stream(session_id, cursor):
                    self._take(batch)
                return
            except NotFound:
                return
            except Unavailable:
                await asyncio.sleep(0.1)

    def _take(self, batch: Any) -> None:
        for item in batch:
            if isinstance(item, Event):
                self.events.append(item)
            elif item.type == "message.delta":
                known = self.texts.get(item.message_id, "")
                assert item.offset <= len(known), "a stretch is missing"
                self.texts[item.message_id] = known[: item.offset] + item.text


class ClusterMachine(RuleBasedStateMachine):
    """Users talk while processes die, stand still and come back."""

    shares_store = False

    def __init__(self) -> None:
        super().__init__()
        self.loop = SimulatedLoop()
        self.clock = ExitStack()
        self.clock.enter_context(self.loop.telling_the_time())
        self.tasks: list[asyncio.Task[Any]] = []

    def open_store(self) -> Store:
        """Return what the cluster keeps its data in."""
        return MemoryStore()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        self.tasks.append(self.loop.create_task(work))

    @initialize(random=st.integers(0, 2**32), cap=st.integers(1, 4))
    def start(self, random: int, cap: int) -> None:
        self.run(self._start(Random(random), cap))

    async def _start(self, random: Random, cap: int) -> None:
        self.cluster = Cluster(random, cap, store=self.open_store(), shares_store=self.shares_store)
        await self.cluster.start()
        self.runtimes = {name: self.cluster.runtime(name) for name in REPLICAS}
        self.acknowledged: dict[str, tuple[int, Message]] = {}
        self.deleted: set[int] = set()
        wanted = SessionInput.model_validate({"capabilities": ["kit"], "tools": [RING_BELL]})
        registry = self.runtimes[REPLICAS[0]].registry
        self.ids = [
            (await registry.sessions.create(wanted, Idempotency(f"create-{number}", ""))).id
            for number in range(SESSIONS)
        ]
        self.readers = [Reader() for _ in self.ids]
        # Nobody follows the last session: its turns must go on all the same.
        for number in range(SESSIONS - 1):
            self._follow(number)

    def _follow(self, session: int) -> None:
        runtimes = list(self.runtimes.values())
        self.begin(self.readers[session].follow(runtimes, self.ids[session]))

    # What users do

    @rule(
        session=sessions,
        replica=replicas,
        key=st.integers(0, 12),
        kind=st.sampled_from(["talk", "work", "ring"]),
    )
    def send(self, session: int, replica: str, key: int, kind: str) -> None:
        self.begin(self._send(session, replica, f"{session}-{key}-{kind}", kind))

    async def _send(self, session: int, replica: str, key: str, kind: str) -> None:
        """Send until it is acknowledged or refused for good, as a client with a key does."""
        sent = SendMessage.model_validate({"content": f"{kind} {key}"})
        runtime = self.runtimes[replica]
        while True:
            try:
                message = await runtime.sessions.send(
                    self.ids[session], sent, Idempotency(key, "body")
                )
            except NotFound:
                assert session in self.deleted
                return
            except (Unavailable, Overloaded):
                await asyncio.sleep(1)
                runtime = self.runtimes[REPLICAS[replica == REPLICAS[0]]]
                continue
            _, known = self.acknowledged.setdefault(key, (session, message))
            assert known == message, "one key, one message"
            return

    @rule(session=sessions, replica=replicas)
    def cancel(self, session: int, replica: str) -> None:
        self.begin(self._tolerant(self.runtimes[replica].sessions.cancel(self.ids[session])))

    @rule(session=sessions, replica=replicas)
    def delete(self, session: int, replica: str) -> None:
        if session == 0:
            self.deleted.add(session)
            self.begin(self._tolerant(self.runtimes[replica].sessions.delete(self.ids[session])))

    async def _tolerant(self, work: Coroutine[Any, Any, Any]) -> None:
        with suppress(Unavailable, NotFound):
            await work

    # What happens to processes

    @rule(process=processes, seconds=moments)
    def crash(self, process: str, seconds: float) -> None:
        self.begin(self._later(seconds, lambda: self.cluster.crash(process)))

    @rule(seconds=moments, long=st.sampled_from([0.0, 1.0, 8.0, 20.0]))
    def replace_registry(self, seconds: float, long: float) -> None:
        """Another registry starts while the old one stands still for a while, and goes on."""
        self.begin(self._later(seconds, lambda: self._replace_registry(long)))

    def _replace_registry(self, long: float) -> None:
        old = self.cluster.processes["registry"]
        if long:
            old.running.clear()
        self.cluster.replace_registry()
        self.begin(self._later(long, old.running.set))

    @rule(process=processes, seconds=moments, long=st.sampled_from([1.0, 8.0, 20.0]))
    def stand_still(self, process: str, seconds: float, long: float) -> None:
        self.begin(self._later(seconds, lambda: self.cluster.pause(process)))
        self.begin(self._later(seconds + long, lambda: self.cluster.go_on(process)))

    async def _later(self, seconds: float, act: Callable[[], None]) -> None:
        await asyncio.sleep(seconds)
        act()

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 5.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))
        self._raise_what_failed()

    def _raise_what_failed(self) -> None:
        for task in self.tasks:
            if task.done():
                task.result()

    # What must hold in the end

    def teardown(self) -> None:
        try:
            if hasattr(self, "readers"):
                self.run(self._come_to_rest())
                self._raise_what_failed()
                self._check()
        finally:
            self.run(self._stop())
            self.loop.close()
            self.clock.close()

    async def _come_to_rest(self) -> None:
        async with asyncio.timeout(REST_WITHIN_S):
            await self._until(self._is_at_rest)
            self._follow(SESSIONS - 1)
            await self._until(self._is_all_read)
            # What a host still holds and should not, it has let go of by then.
            await asyncio.sleep(30)

    async def _stop(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=60)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await asyncio.sleep(1)
            self._raise_what_failed()

    def _is_at_rest(self) -> bool:
        acting = [task for task in self.tasks[SESSIONS - 1 :] if not task.done()]
        return not acting and not self.cluster.store.sessions.unfinished()

    def _is_all_read(self) -> bool:
        return all(
            session in self.deleted or len(reader.events) == len(self._log(session))
            for session, reader in enumerate(self.readers)
        )

    def _log(self, session: int) -> list[Event]:
        return self.cluster.store.logs.read(self.ids[session], EventQuery())

    def _check(self) -> None:
        assert self.cluster.witness.violations == []
        self.cluster.check_digests()
        assert all(count == 1 for count in self.cluster.paid.values()), "paid once each"
        for session in range(SESSIONS):
            log = self._log(session)
            if self.cluster.store.sessions.find(self.ids[session]) is None:
                assert session in self.deleted
                assert not log
                assert not self.cluster.holders(self.ids[session])
                continue
            assert [event.sequence for event in log] == list(range(1, len(log) + 1))
            self._check_turns(log)
            self._check_messages(session, log)
            self._check_waits(log)
            reader = self.readers[session]
            assert [event.body for event in reader.events] == [event.body for event in log]

    def _check_turns(self, log: list[Event]) -> None:
        open_turn: str | None = None
        calls: set[str] = set()
        # The compactions of the step that have been announced, and whether one is to end.
        reasons: list[str] = []
        is_compacting = False
        for event in log:
            if event.type == "session.started":
                assert open_turn is None
                open_turn, reasons = event.turn_id, []
            elif event.type in TURN_ENDS:
                assert event.turn_id == open_turn
                open_turn = None
                is_compacting = False
            elif event.type == "context.compacting":
                assert not is_compacting
                assert event.data["reason"] not in reasons, "once for each step"
                reasons.append(event.data["reason"])
                is_compacting = True
            elif event.type == "context.compacted":
                assert is_compacting
                is_compacting = False
            elif event.type == "message.created" and event.data["message"]["role"] == "agent":
                reasons = []
            elif event.type == "tool.call":
                assert event.data["tool_call"]["id"] not in calls, "announced once"
                calls.add(event.data["tool_call"]["id"])
            elif event.type == "tool.result":
                calls.remove(event.data["tool_call_id"])
        assert open_turn is None
        assert not calls

    def _check_waits(self, log: list[Event]) -> None:
        """Nobody rings: each call is reminded of once and ends, or something else came before."""
        asked = {
            event.data["tool_call"]["id"]: event.ts
            for event in log
            if event.data.get("client_side")
        }
        reminded = [event for event in log if event.type == "wait.reminder"]
        assert len({event.data["tool_call_id"] for event in reminded}) == len(reminded)
        for event in reminded:
            assert event.ts >= asked[event.data["tool_call_id"]] + 8_000
        ended = [event for event in log if event.data.get("tool_call_id") in asked]
        for event in (event for event in ended if event.type == "tool.result"):
            is_over = event.ts >= asked[event.data["tool_call_id"]] + 30_000
            assert event.data["unanswered"] != "timed_out" or is_over

    def _check_messages(self, session: int, log: list[Event]) -> None:
        said = [
            event.data["message"]["id"]
            for event in log
            if event.type == "message.created" and event.data["message"]["role"] == "user"
        ]
        kept = [message.id for number, message in self.acknowledged.values() if number == session]
        assert sorted(said) == sorted(kept), "every acknowledged message is there, once"


class SharedStoreMachine(ClusterMachine):
    """The same where every process has the store open, as with PostgreSQL."""

    shares_store = True


class JournaledClusterMachine(ClusterMachine):
    """The same over the store that a server has: a journal before DuckDB."""

    def open_store(self) -> Store:
        folder = self.clock.enter_context(TemporaryDirectory())
        store = open_new_store(Path(folder))
        self.clock.callback(store.close)
        return store


MANY = settings(
    max_examples=100,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
ClusterMachine.TestCase.settings = SharedStoreMachine.TestCase.settings = MANY
# Opening a database takes as long as several examples in memory.
JournaledClusterMachine.TestCase.settings = settings(MANY, max_examples=5)
TestCluster = ClusterMachine.TestCase
TestSharedStore = SharedStoreMachine.TestCase
TestJournaledCluster = JournaledClusterMachine.TestCase
