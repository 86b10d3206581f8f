"""Logs that every reader must understand alike, with what the server makes of them.

``python -m tests.shared_logs`` records them anew, in ``tests/contract/logs``. The tests of the
console read the same files, so that its fold and the server's cannot come apart.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson
from hypothesis import HealthCheck, Phase, given, seed, settings

from everruns.api.app import create_app
from everruns.capabilities.registry import load_capabilities
from everruns.domain.events import Event
from everruns.domain.state import SessionState
from everruns.domain.waits import with_arguments
from everruns.ids import parse_time
from everruns.registry.database import Database
from everruns.registry.logs import Logs
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from everruns.storage.logs import FIRST_HOLDER, Append
from everruns.storage.memory.store import MemoryStore
from tests import stored
from tests.logs import LogWriter, logs
from tests.recorded_sessions import PLAYS, Play, kit
from tests.scripts import Gate

FOLDER = Path(__file__).parent / "contract" / "logs"
RANDOM = "random-logs"
RANDOM_LOGS = 20
OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
Json = dict[str, Any]


def event_of(envelope: Json) -> Event:
    """Return an event of a log as it is on the wire."""
    return Event(
        envelope["session_id"],
        envelope["sequence"],
        envelope["id"],
        envelope["type"],
        envelope["context"].get("turn_id"),
        parse_time(envelope["ts"]),
        orjson.dumps(envelope),
    )


def steps_of(events: Sequence[Event]) -> list[Json]:
    """Return what the server's fold says after each event that changes it."""
    state = SessionState(events[0].session_id)
    steps: list[Json] = []
    for at, event in enumerate(events):
        state.apply(event)
        waits = with_arguments(state.turn.waiting_for if state.turn else [], events[: at + 1])
        step = {
            "status": state.status,
            "waiting_for": [wait.wire() for wait in waits],
            "usage": state.usage.wire(),
        }
        if not steps or {**steps[-1], "sequence": 0} != {**step, "sequence": 0}:
            steps.append({"sequence": event.sequence, **step})
    return steps


async def messages_of(events: Sequence[Event], *, include_superseded: bool) -> list[Json]:
    """Return what the server lists of a log as messages."""
    store = MemoryStore()
    session_id = events[0].session_id
    store.sessions.insert(stored.session(1, id=session_id))
    state = SessionState(session_id)
    state.apply_all(events)
    store.logs.append([Append(session_id, 1, events, state.summary, FIRST_HOLDER)])
    database = Database(store)
    try:
        page = await Logs(database).messages(
            session_id, 0, 10_000, include_superseded=include_superseded
        )
    finally:
        await database.close()
    return [message.wire() for message in page.data]


async def record(play: Play) -> Json:
    """Play a session; return its log, and what the API says of it."""
    gate = Gate()
    own = Settings(data_dir=Path("unused"), openai_api_key=None, anthropic_api_key=None)
    capabilities = {**load_capabilities(), "stage": kit(gate)}
    runtime = LocalRuntime(MemoryStore(), own, capabilities)
    await runtime.start()
    try:
        talk = await play(runtime, gate)
        transport = httpx.ASGITransport(create_app(runtime, own, capabilities))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            at = f"/v1/sessions/{talk.id}"

            async def listed(path: str) -> list[Json]:
                return (await client.get(f"{at}/{path}")).json()["data"]

            session = (await client.get(at)).json()
            return {
                "events": await listed("events/list?after_sequence=0&limit=1000"),
                "messages": await listed("messages?limit=100"),
                "all_messages": await listed("messages?limit=100&include_superseded=true"),
                "status": session["status"],
                "waiting_for": session["waiting_for"],
                "usage": session["usage"],
            }
    finally:
        await runtime.close()


def random_logs() -> list[list[Json]]:
    """Return logs of every kind that turns can write, the same at each call."""
    found: list[LogWriter] = []

    @seed(20261201)
    @settings(
        max_examples=RANDOM_LOGS,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(logs(max_steps=60))
    def collect(log: LogWriter) -> None:
        found.append(log)

    collect()
    return [[event.envelope for event in log.events] for log in found]


def read(name: str) -> Any:
    """Return what a file of the folder holds."""
    return orjson.loads((FOLDER / f"{name}.json").read_bytes())


def _write(name: str, content: Json) -> None:
    (FOLDER / f"{name}.json").write_bytes(orjson.dumps(content, option=OPTIONS))


def _write_cases(name: str, cases: Sequence[Json]) -> None:
    """Write one case a line: nobody reads them, and they are many."""
    lines = b",\n".join(map(orjson.dumps, cases))
    (FOLDER / f"{name}.json").write_bytes(b"[\n" + lines + b"\n]\n")


async def main() -> None:
    """Record everything anew."""
    FOLDER.mkdir(exist_ok=True)
    for name, play in PLAYS.items():
        recorded = await record(play)
        steps = steps_of([event_of(envelope) for envelope in recorded["events"]])
        _write(name, {**recorded, "steps": steps})
    cases = [
        {"events": log, "steps": steps_of([event_of(envelope) for envelope in log])}
        for log in random_logs()
    ]
    _write_cases(RANDOM, cases)


if __name__ == "__main__":
    asyncio.run(main())
