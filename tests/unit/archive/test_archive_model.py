"""Whatever happens to sessions, and wherever the process dies, the archive equals the store."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from everruns.archive import files
from everruns.archive.archive import Archive
from everruns.archive.parquet import Parquet
from everruns.domain.events import EventType, NewEvent
from everruns.errors import StoreUnavailable
from everruns.registry.database import Database
from everruns.registry.history import History
from everruns.storage.history import HeadQuery
from everruns.storage.logs import EventQuery
from everruns.storage.memory.store import MemoryStore
from everruns.storage.sessions import Fork
from tests.stored import append, session

DAY_MS = 86_400_000
STEPS = ("write_events", "write_sessions", "merge_events", "write_events_without")


class Died(BaseException):
    """The process ends here."""


class Mortal:
    """Lets a process die before or after one of the steps that change the folder."""

    def __init__(self) -> None:
        self._left: int | None = None
        self._original = {name: getattr(Parquet, name) for name in STEPS}
        self._write_manifest = files.write_manifest
        for name, step in self._original.items():
            setattr(Parquet, name, self._around(step))
        files.write_manifest = self._around(self._write_manifest)

    def _around(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def around(*args: Any) -> Any:
            self._pass()
            result = step(*args)
            self._pass()
            return result

        return around

    def _pass(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Died

    def die_after(self, steps: int | None) -> None:
        self._left = steps

    def restore(self) -> None:
        for name, step in self._original.items():
            setattr(Parquet, name, step)
        files.write_manifest = self._write_manifest


class ArchiveMachine(RuleBasedStateMachine):
    """Sessions of a store, and an archive of them."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self._loop = asyncio.new_event_loop()
        self._store = MemoryStore()
        self._history = History(Database(self._store))
        self._mortal = Mortal()
        self._archive = self._open()
        self._made = 0
        self._clock = 1_800_000_000_000
        self._is_current = True

    def _open(self) -> Archive:
        return Archive(Path(self._folder.name) / "archive", self._history)

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(coroutine)

    @property
    def _numbers(self) -> list[int]:
        heads = self._store.history.heads(HeadQuery()).heads
        return [int(head.id[-32:], 16) for head in heads]

    @rule(count=st.integers(0, 4), hours=st.integers(0, 30))
    def create(self, count: int, hours: int) -> None:
        self._clock += hours * DAY_MS // 24
        self._made += 1
        self._store.sessions.insert(session(self._made))
        self._append(self._made, count)
        self._is_current = False

    @precondition(lambda self: self._numbers)
    @rule(data=st.data(), count=st.integers(1, 4))
    def extend(self, data: st.DataObject, count: int) -> None:
        self._append(data.draw(st.sampled_from(self._numbers)), count)
        self._is_current = False

    def _append(self, number: int, count: int) -> None:
        length = len(self._store.logs.read(session(number).id, EventQuery()))
        new = NewEvent(EventType.SESSION_STARTED, {}, {"turn_id": "turn_1"})
        made = [
            new.at(session(number).id, length + place, self._clock) for place in range(1, count + 1)
        ]
        if made:
            assert self._store.logs.append([append(number, made)]) == [None]

    @precondition(lambda self: self._numbers)
    @rule(data=st.data())
    def fork(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self._numbers))
        source = session(number).id
        length = len(self._store.logs.read(source, EventQuery()))
        place = data.draw(st.integers(0, length))
        self._made += 1
        new = session(self._made, forked_from_session_id=source, forked_from_sequence=place)
        assert self._store.sessions.fork(Fork(source, place, new))
        self._is_current = False

    @precondition(lambda self: self._numbers)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self._store.sessions.delete(session(data.draw(st.sampled_from(self._numbers))).id)
        self._is_current = False

    @rule()
    def refresh(self) -> None:
        self._run(self._archive.refresh())
        self._is_current = True

    @rule()
    def refresh_a_little(self) -> None:
        refreshed = self._run(self._archive.refresh(limit_s=0))
        self._is_current = refreshed.missing == 0

    @rule()
    def merge(self) -> None:
        self._run(self._archive.merge())

    @rule(steps=st.integers(0, 12), merges=st.booleans())
    def die(self, steps: int, merges: bool) -> None:
        self._mortal.die_after(steps)
        try:
            self._run(self._archive.refresh())
            if merges:
                self._run(self._archive.merge())
            self._is_current = True
        except Died:
            self._is_current = False
        self._mortal.die_after(None)
        self._run(self._archive.close())
        self._archive = self._open()

    @rule(steps=st.integers(0, 12))
    def fail(self, steps: int) -> None:
        """The folder cannot be written for a moment."""
        self._mortal.die_after(steps)
        try:
            self._run(self._archive.refresh())
            self._is_current = True
        except (Died, StoreUnavailable):
            self._is_current = False
        self._mortal.die_after(None)

    @invariant()
    def the_archive_equals_the_store(self) -> None:
        stored = Counter(
            (number, event.sequence, event.id)
            for number in self._numbers
            for event in self._store.logs.read(session(number).id, EventQuery())
        )
        with self._archive.reading() as state:
            found = self._read([part.path for part in state.parts], "session_id, sequence, id")
            sessions = self._read([state.sessions] if state.sessions else [], "id, events")
            assert len(found) == sum(part.rows for part in state.parts)
            assert not self._is_current or state.totals.events == len(found)
        archived = Counter((int(one[-32:], 16), place, event) for one, place, event in found)
        assert not archived or max(archived.values()) == 1
        lengths = Counter(number for number, _, _ in archived)
        told = {int(one[-32:], 16): count for one, count in sessions}
        # A session that is deleted is removed file by file.
        assert all(told.get(number, 0) == lengths[number] for number in self._numbers)
        assert lengths.keys() <= told.keys()
        if self._is_current:
            assert archived == stored
            assert sorted(int(one[-32:], 16) for one, _ in sessions) == self._numbers

    def _read(self, paths: list[str], columns: str) -> list[Any]:
        if not paths:
            return []
        places = [str(Path(self._folder.name) / "archive" / path) for path in paths]
        with duckdb.connect() as connection:
            return connection.read_parquet(places).project(columns).fetchall()

    def teardown(self) -> None:
        self._mortal.restore()
        self._run(self._archive.close())
        self._loop.close()
        self._folder.cleanup()


ArchiveMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=15, deadline=None)
test_archive_model = ArchiveMachine.TestCase
