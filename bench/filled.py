"""A data directory filled with stored sessions, quickly."""

from dataclasses import dataclass
from pathlib import Path

from rich.progress import track
from sqlalchemy import insert

from bench.history import Log, long_log, make_session
from everruns.domain.events import Event
from everruns.domain.state import fold
from everruns.ids import new_id
from everruns.storage.data_directory.opening import DATABASE_FILE, open_store
from everruns.storage.duckdb.engine import duckdb_engine
from everruns.storage.journal.store import JournaledStore
from everruns.storage.logs import FIRST_HOLDER, Append
from everruns.storage.sql.migrate import migrate
from everruns.storage.sql.session_rows import session_row
from everruns.storage.sql.tables import sessions

AGENTS = 5
BATCH = 2000


@dataclass(frozen=True)
class Filled:
    """A store with sessions in it.

    Attributes:
        store: The store, opened anew after it was filled.
        agent_ids: Every agent has the same share of the sessions.
        session_ids: The short sessions, oldest first; each has had one turn of four events.
        long_session_id: The session with a long log; it is the oldest.
    """

    store: JournaledStore
    agent_ids: list[str]
    session_ids: list[str]
    long_session_id: str


def fill(data_dir: Path, count: int, long_events: int) -> Filled:
    """Make a data directory with so many short sessions and one long one, and open it."""
    agent_ids = [new_id("agent") for _ in range(AGENTS)]
    made, long_id = _insert_sessions(data_dir, agent_ids, count)
    store = open_store(data_dir)
    log = long_log(long_id, long_events)
    summary = fold(long_id, log).summary
    for start in range(0, len(log), BATCH):
        _store(
            store, [Append(long_id, start + 1, log[start : start + BATCH], summary, FIRST_HOLDER)]
        )
    batches = range(0, count, BATCH)
    for start in track(batches, f"Storing events of {count:,} sessions", transient=True):
        # As in life, each session's turn is open for a while.
        logs = {identity: Log(identity) for identity in made[start : start + BATCH]}
        opened = {identity: written.opening() for identity, written in logs.items()}
        _append(store, list(opened.values()))
        ended = {identity: written.ending() for identity, written in logs.items()}
        _append(
            store,
            list(ended.values()),
            *(opened[identity] + ended[identity] for identity in logs),
        )
    store.close()
    return Filled(open_store(data_dir), agent_ids, made, long_id)


def _insert_sessions(data_dir: Path, agent_ids: list[str], count: int) -> tuple[list[str], str]:
    """Insert the rows of sessions past the store, which inserts one in a transaction."""
    data_dir.mkdir(parents=True)
    engine = duckdb_engine(str(data_dir / DATABASE_FILE))
    migrate(engine)
    made: list[str] = []
    total = count + 1
    batches = range(0, total, BATCH)
    for start in track(batches, f"Storing {total:,} sessions", transient=True):
        numbers = range(start, min(start + BATCH, total))
        new = [make_session(agent_ids[number % AGENTS], number) for number in numbers]
        with engine.begin() as connection:
            connection.execute(insert(sessions), [session_row(session) for session in new])
        made += [session.id for session in new]
    engine.dispose()
    return made[1:], made[0]


def _append(store: JournaledStore, parts: list[list[Event]], *logs: list[Event]) -> None:
    """Append to several sessions at once; without ``logs``, the parts are their whole logs."""
    _store(
        store,
        [
            Append(
                part[0].session_id,
                part[0].sequence,
                part,
                fold(part[0].session_id, log).summary,
                FIRST_HOLDER,
            )
            for part, log in zip(parts, logs or parts, strict=True)
        ],
    )


def _store(store: JournaledStore, appends: list[Append]) -> None:
    if any(store.logs.append(appends)):
        raise RuntimeError("The store refused events that it was filled with.")
