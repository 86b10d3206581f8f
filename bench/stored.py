"""``python -m bench.stored``: what many stored sessions and one with a long log cost.

Two databases are filled and measured in turns, one with a few sessions and one with many, so that
what else the machine does hits both. Nothing but the store is measured, and the way of a session
into the memory of its host.
"""

import argparse
import asyncio
import pickle
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.filled import Filled, fill
from bench.history import Log, make_session
from everruns.domain.state import fold
from everruns.registry.group_commit import GroupCommit
from everruns.registry.logs import LoadedSession
from everruns.runtime.session import LiveSession
from everruns.storage.logs import FIRST_HOLDER, Append, EventQuery
from everruns.storage.sessions import SessionQuery
from everruns.storage.store import Store

# So many that each agent's list fills a page there too.
FEW_SESSIONS = 100
REPETITIONS = 60
ACTIVATIONS = 15
WARM_UP = 3

out = Console()
Operation = Callable[[], object]


def main() -> None:
    """Fill, measure, print."""
    options = _options()
    with TemporaryDirectory(prefix="everruns-bench-") as folder:
        started = time.perf_counter()
        few = fill(Path(folder) / "few", FEW_SESSIONS, options.events)
        many = fill(Path(folder) / "many", options.sessions, options.events)
        out.print(f"Filled two databases in {time.perf_counter() - started:.0f} s")
        counts = f"{FEW_SESSIONS:,} sessions", f"{options.sessions:,} sessions"
        table = Table("Store call", *counts, "Ratio", title="Medians")
        for name, (small, large) in _measure_calls(few, many).items():
            table.add_row(name, f"{small:.2f} ms", f"{large:.2f} ms", f"{large / small:.2f}")
        out.print(table)
        activation = f"Activating {options.events:,} events"
        parts = Table(activation, "Elapsed", "CPU", title="Medians")
        for name, taken in asyncio.run(_measure_activation(many)).items():
            elapsed, cpu = zip(*taken, strict=True)
            parts.add_row(name, f"{median(elapsed):.0f} ms", f"{median(cpu):.0f} ms")
        out.print(parts)
        few.store.close()
        many.store.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.stored", description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000, help="how many are many")
    parser.add_argument("--events", type=int, default=10_000, help="how long the long log is")
    return parser.parse_args()


def _measure_calls(few: Filled, many: Filled) -> dict[str, tuple[float, float]]:
    """Return each call's median in milliseconds, with few and with many sessions."""
    measured: dict[str, tuple[float, float]] = {}
    calls = zip(_calls(few).items(), _calls(many).items(), strict=True)
    for (name, small), (_, large) in track(list(calls), "Measuring calls", transient=True):
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(WARM_UP + REPETITIONS):
            for taken, call in zip(times, (small, large), strict=True):
                started = time.perf_counter()
                call()
                taken.append((time.perf_counter() - started) * 1000)
        measured[name] = median(times[0][WARM_UP:]), median(times[1][WARM_UP:])
    return measured


def _calls(filled: Filled) -> dict[str, Operation]:
    store, agent_id = filled.store, filled.agent_ids[0]
    found = filled.session_ids[len(filled.session_ids) // 2]
    appends = iter(_appends(filled))
    later = EventQuery(after=2)
    return {
        "list sessions, page of 20": lambda: store.sessions.list(SessionQuery()),
        "list an agent's sessions": lambda: store.sessions.list(SessionQuery(agent_id=agent_id)),
        "list sessions, page of 100": lambda: store.sessions.list(SessionQuery(limit=100)),
        "find session": lambda: store.sessions.find(found),
        "read its events": lambda: store.logs.read(found, EventQuery()),
        "read its later events": lambda: store.logs.read(found, later),
        "unfinished sessions": store.sessions.unfinished,
        "create session": lambda: store.sessions.insert(make_session(agent_id, 1)),
        "send: append two events": lambda: store.logs.append([next(appends)]),
        # Looks into every session by design: a text may stand anywhere.
        "search all sessions": lambda: store.sessions.list(SessionQuery(search="weather 9")),
    }


def _appends(filled: Filled) -> list[Append]:
    """Return what opens a turn in one stored session after the other."""
    appends: list[Append] = []
    for identity in filled.session_ids[: WARM_UP + REPETITIONS]:
        log = filled.store.logs.read(identity, EventQuery())
        opening = Log(identity, len(log)).opening()
        summary = fold(identity, [*log, *opening]).summary
        appends.append(Append(identity, len(log) + 1, opening, summary, FIRST_HOLDER))
    return appends


async def _measure_activation(filled: Filled) -> dict[str, list[tuple[float, float]]]:
    """Return what each part of making the long session live took, each time it was done.

    Returns:
        Milliseconds elapsed, and milliseconds of CPU, which tell less of what else runs here.
    """
    times: dict[str, list[tuple[float, float]]] = {
        "read from the database": [],
        "packed for another process": [],
        "unpacked there": [],
        "made live: the fold": [],
        "in all": [],
    }
    for _ in range(ACTIVATIONS):
        moments = _activate(filled.store, filled.long_session_id)
        spans = [*pairwise(moments), (moments[0], moments[-1])]
        for taken, (begin, end) in zip(times.values(), spans, strict=True):
            taken.append(((end[0] - begin[0]) * 1000, (end[1] - begin[1]) * 1000))
    return times


def _activate(store: Store, session_id: str) -> list[tuple[float, float]]:
    """Make a session live as a host does that is another process; return the times between."""
    moments = [_now()]
    session = store.sessions.find(session_id)
    if session is None:
        raise RuntimeError("The long session is gone.")
    loaded = LoadedSession(session, store.logs.read(session_id, EventQuery()), FIRST_HOLDER, 1)
    moments.append(_now())
    packed = pickle.dumps(loaded, protocol=5)
    moments.append(_now())
    # The other process would hold the second copy alone.
    loaded = pickle.loads(packed)
    moments.append(_now())
    live = LiveSession(loaded.session, loaded.events, GroupCommit(store_nothing), FIRST_HOLDER)
    moments.append(_now())
    if live.state.sequence != len(loaded.events):
        raise RuntimeError("The long session is not what was stored.")
    return moments


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


async def store_nothing(_appends: object) -> list[None]:
    """Stand for the store of a session to which nothing is appended."""
    return []


if __name__ == "__main__":
    main()
