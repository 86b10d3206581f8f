"""What each thing that a registry does costs it in a cluster of a hundred nodes, measured.

The registry is real, with its placement, its watch over the hosts, and a PostgreSQL database with
as many sessions as are live. Its process answers calls over TLS as on a cluster and does nothing
else, so its CPU time is that of the calls. Hosts and callers are another process
(``bench.cluster.others``).
"""

import asyncio
import multiprocessing
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import insert

from actors.calls.direct import DirectServer
from actors.calls.dispatch import dispatch
from actors.calls.registry_stub import registry_targets
from actors.calls.stub import stub
from bench.cluster.others import CALLERS, Callers, HeldBy, channel_to, run_others
from bench.history import Log, make_session
from everruns.capabilities.registry import load_capabilities
from everruns.domain.state import fold
from everruns.ids import new_id
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.runtime import watch as watching
from everruns.runtime.host import SessionHost
from everruns.runtime.reconciler import Reconciler
from everruns.runtime.watch import HostWatch
from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.logs import FIRST_HOLDER, Append
from everruns.storage.postgres.engine import complete, postgres_engine
from everruns.storage.postgres.opening import open_postgres
from everruns.storage.sql.session_rows import session_row, summary_row
from everruns.storage.sql.tables import sessions
from everruns.storage.store import Store

HOSTS_A_NODE = 8
TURNS = 10
BATCH = 2_000
CALLS = 400
LISTS = 100
HANDED_OVER = "handed over"
REPORTING_S = 5.0
SWITCH_THREADS_S = 0.0005
REGISTRY_NODE = "registry"

Act = Callable[[], Awaitable[object]]
Find = Callable[[str], Awaitable[Any]]


@dataclass(frozen=True)
class Cost:
    """What something took.

    Attributes:
        cpu_ms: Of the registry's process.
        elapsed_ms: From its begin to its end, also of what waits for the database or other calls.
    """

    cpu_ms: float
    elapsed_ms: float


@dataclass(frozen=True)
class Stored:
    """A database with sessions.

    Attributes:
        store: The store.
        resting: Sessions whose log has ``TURNS`` turns.
        live: All others; one in ten has an open turn: the first, the eleventh and so on. With ten
            hosts or a multiple of that, the first host has nothing else. Its node is the one that
            is lost.
    """

    store: Store
    resting: Sequence[str]
    live: Sequence[str]


def fill(url: str, count: int) -> Stored:
    """Fill a database that is empty."""
    store = open_postgres(SecretStr(url), Cipher(bytes(32)))
    agent_id = new_id("agent")
    made = [make_session(agent_id, number) for number in range(count + 4 * CALLS)]
    ended, opened = Log(made[0].id), Log(made[0].id)
    rested = [event for _ in range(TURNS) for event in (*ended.opening(), *ended.ending())]
    summaries = [fold(made[0].id, log).summary for log in (rested, opened.opening())]
    live = made[4 * CALLS :]
    rows = [session_row(one) for one in made[: 4 * CALLS]]
    rows += [
        session_row(one) | summary_row(summaries[number % 10 == 0])
        for number, one in enumerate(live)
    ]
    engine = postgres_engine(complete(SecretStr(url)))
    for start in range(0, len(rows), BATCH):
        with engine.begin() as connection:
            connection.execute(insert(sessions), rows[start : start + BATCH])
    with engine.begin() as connection:
        # As a server does by itself that has had the rows for longer than a minute.
        connection.exec_driver_sql("ANALYZE")
    engine.dispose()
    resting = [one.id for one in made[: 4 * CALLS]]
    for identity in resting:
        log = Log(identity)
        events = [event for _ in range(TURNS) for event in (*log.opening(), *log.ending())]
        summary = fold(identity, events).summary
        if any(store.logs.append([Append(identity, 1, events, summary, FIRST_HOLDER)])):
            raise RuntimeError("The store refused events that it was filled with.")
    return Stored(store, resting, [one.id for one in live])


async def measure(out: Console, stored: Stored, nodes: int) -> dict[str, Cost]:
    """Return what each thing costs; calls and reports one each, the others as a whole."""
    sys.setswitchinterval(SWITCH_THREADS_S)
    hosts = nodes * HOSTS_A_NODE
    held = [
        HeldBy(f"session-actor-{number}", f"node-{number % nodes}", stored.live[number::hosts])
        for number in range(hosts)
    ]
    registry = _registry(stored.store, hosts)
    await registry.life.begin()
    for one in held:
        registry.placement.host_started(one.host, one.session_ids, one.node)
    async with _others(registry, held) as find_host:
        costs = await _measure_calls(out, registry, await find_host(CALLERS), stored)
        costs |= await _measure_watch(out, stored.store, held, find_host)
    await registry.close()
    return costs


def _registry(store: Store, hosts: int) -> Registry:
    placement = Placement(1024, 2, hosts, 256 << 20, hosts_for_cpus=hosts // 2)
    return Registry(store, load_capabilities(), placement)


@asynccontextmanager
async def _others(registry: Registry, held: Sequence[HeldBy]) -> AsyncGenerator[Find]:
    """Run the other process; give what finds a host there, or the callers, by name."""
    targets = registry_targets(registry)

    async def find_targets() -> dict[str, object]:
        return targets

    server = DirectServer(lambda request: dispatch(find_targets, request), REGISTRY_NODE)
    address = await server.address(on_network=True)
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=run_others, args=(there, address, held), daemon=True)
    process.start()
    others = await asyncio.to_thread(here.recv)
    names = [CALLERS, *(one.host for one in held)]
    channels = {name: channel_to(others, REGISTRY_NODE) for name in names}

    async def find(name: str) -> Any:
        kind = Callers if name == CALLERS else SessionHost
        return stub(kind, channels[name], name)

    try:
        yield find
    finally:
        here.send(None)
        await asyncio.to_thread(process.join, 30)
        await server.close()


async def _cost(act: Act) -> Cost:
    started, cpu = time.perf_counter(), time.process_time()
    await act()
    return Cost((time.process_time() - cpu) * 1000, (time.perf_counter() - started) * 1000)


async def _measure_calls(
    out: Console, registry: Registry, callers: Callers, stored: Stored
) -> dict[str, Cost]:
    host = next(iter(registry.placement.hosts))
    parts = (stored.resting[n * CALLS : (n + 1) * CALLS] for n in range(4))
    warm, handed_over, sent, claimed = parts
    plan = {
        "warm up": ("send", warm),
        HANDED_OVER: ("send", handed_over),
        "send": ("send", sent),
        "place": ("place", sent),
        "claim": ("claim", claimed),
        "release": ("release", claimed),
        "size": ("size", sent),
        "begin": ("begin", sent),
        "list": ("list", sent[:LISTS]),
    }
    costs: dict[str, Cost] = {}
    for name, (what, ids) in plan.items():
        registry.hosting.hands_over_new_only = name != HANDED_OVER
        whole = await _cost(lambda what=what, ids=ids: callers.call(what, ids, host))
        costs[name] = Cost(whole.cpu_ms / len(ids), whole.elapsed_ms / len(ids))
        out.print(f"  {name}: {costs[name].cpu_ms:.3f} ms of CPU")
    return costs


async def _measure_watch(
    out: Console,
    store: Store,
    held: Sequence[HeldBy],
    find_host: Find,
) -> dict[str, Cost]:
    """Measure what a registry does that has just been started."""
    registry = _registry(store, len(held))
    await registry.life.begin()
    reconciler = Reconciler(registry.hosting, find_host)
    watch = HostWatch(registry, find_host, lambda: None)
    costs = {"adopt": await _cost(lambda: watch.adopt(one.host for one in held))}
    placed = sum(map(len, registry.placement.hosts.values()))
    out.print(
        f"  adopted: {len(registry.placement.hosts)} hosts with {placed:,} sessions, "
        f"{costs['adopt'].cpu_ms:,.0f} ms of CPU, {costs['adopt'].elapsed_ms:,.0f} ms"
    )
    hosts = [await find_host(one.host) for one in held]
    every_s, watching.REPORT_EVERY_S = watching.REPORT_EVERY_S, 1.0
    # The questions that are under way still have the longer wait.
    await asyncio.sleep(every_s + 1)
    reporting = await _cost(lambda: asyncio.sleep(REPORTING_S))
    costs["report"] = Cost(reporting.cpu_ms / (len(held) * REPORTING_S), 0)
    watching.REPORT_EVERY_S = 60.0
    # Nor must the shorter questions be under way while something else is measured.
    await asyncio.sleep(2)

    async def list_all() -> None:
        for host in hosts:
            set(await host.heads())

    listed = await _cost(list_all)
    costs["listed report"] = Cost(listed.cpu_ms / len(hosts), listed.elapsed_ms / len(hosts))
    costs["look"] = await _cost(registry.hosting.abandoned)
    costs["keep"] = await _cost(_keep(registry.placement))
    node = registry.placement.nodes[held[0].host]
    costs["node lost"] = await _cost(lambda: watch.node_lost(node))
    costs["resume"] = await _cost(reconciler.look)
    watch.close()
    return costs


def _keep(placement: Placement) -> Act:
    async def keep() -> None:
        placement.hosts_to_start()
        placement.hosts_to_stop()

    return keep
