"""``growth``: what more processes, more stored sessions and a longer conversation change."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import uvloop
from rich.console import Console

from bench.checkout import Checkout
from bench.limits.asking import Client, asking, fake_model, make_agent
from bench.limits.processes import cpu_by_role, usages, wait_for_rest, wait_for_session_actors
from bench.limits.report import Report
from bench.limits.starting import running_model
from bench.load import Measured, percentile, run_load
from bench.server import Server, running_server

MODEL = "tokens-20"
CLIENTS = 64
WARM_UP_S = 4.0
SECONDS = 10.0
REPLICAS = (1, 2, 4)
SESSION_ACTORS = (1, 2, 4, 8, 16)
STORED = (1, 1_000, 10_000)
STORED_CLIENTS = 16
LONG_EVENTS = 7
# At these messages of a conversation, half of them the user's, turns are looked at.
MESSAGES = (10, 100, 500, 1000)
TURNS_EACH = 15
SHOWN_MS = 0.05


def measure(out: Console, checkout: Checkout) -> list[Report]:
    """Measure servers of several sizes, one after another."""
    with running_model() as model_url:
        return [
            _replicas(out, checkout, model_url),
            _session_actors(out, checkout, model_url),
            _stored_sessions(out, checkout, model_url),
            _long_conversation(out, checkout, model_url),
        ]


@dataclass
class Look:
    """Some turns of a conversation.

    Attributes:
        turn_ms: How long each took.
        request_bytes: The length of the last one's request to the model.
        cpu_ms: CPU milliseconds of a turn, by role.
    """

    turn_ms: list[float] = field(default_factory=list[float])
    request_bytes: int = 0
    cpu_ms: dict[str, float] = field(default_factory=dict[str, float])


@contextmanager
def _running(checkout: Checkout, actors: int, **settings: str) -> Iterator[Server]:
    """Run a server that has so many session actors from the beginning."""
    number = str(actors)
    with running_server(
        checkout=checkout,
        EVERRUNS_DASHBOARD="false",
        EVERRUNS_WARM_SESSION_ACTORS=number,
        EVERRUNS_MAX_SESSION_ACTORS=number,
        **settings,
    ) as server:
        wait_for_session_actors(server, actors)
        wait_for_rest(server)
        yield server


def _load(server: Server, model_url: str, clients: int) -> tuple[Measured, dict[str, float]]:
    """Return what a load came to, and the CPU milliseconds of a turn, by role."""

    async def agent() -> str:
        async with asking(server.address) as client:
            return await make_agent(client, fake_model(model_url, MODEL))

    agent_id = uvloop.run(agent())
    uvloop.run(run_load(server.address, agent_id, clients, WARM_UP_S))
    before = usages(server, memory=False)
    measured = uvloop.run(run_load(server.address, agent_id, clients, SECONDS))
    spent = cpu_by_role(before, usages(server, memory=False))
    turns = len(measured.turn_ms)
    return measured, {role: cpu_s / turns * 1000 for role, cpu_s in spent.items()}


def _replicas(out: Console, checkout: Checkout, model_url: str) -> Report:
    found: dict[str, tuple[Measured, dict[str, float]]] = {}
    for number in REPLICAS:
        with _running(checkout, SESSION_ACTORS[1], EVERRUNS_REPLICAS=str(number)) as server:
            found[str(number)] = _load(server, model_url, CLIENTS)
        out.print(f"  {number} replicas: {found[str(number)][0].turns_per_s:.0f} turns/s")
    return _loads(f"API replicas, {CLIENTS} clients", found)


def _session_actors(out: Console, checkout: Checkout, model_url: str) -> Report:
    found: dict[str, tuple[Measured, dict[str, float]]] = {}
    for number in SESSION_ACTORS:
        with _running(checkout, number) as server:
            found[str(number)] = _load(server, model_url, CLIENTS)
        out.print(f"  {number} session actors: {found[str(number)][0].turns_per_s:.0f} turns/s")
    return _loads(f"Session actors, {CLIENTS} clients", found)


def _stored_sessions(out: Console, checkout: Checkout, model_url: str) -> Report:
    found: dict[str, tuple[Measured, dict[str, float]]] = {}
    for number in STORED:
        with TemporaryDirectory(prefix="everruns-bench-") as folder:
            data_dir = Path(folder) / "data"
            checkout.fill(data_dir, number, LONG_EVENTS)
            with _running(checkout, SESSION_ACTORS[1], EVERRUNS_DATA_DIR=str(data_dir)) as server:
                found[f"{number:,}"] = _load(server, model_url, STORED_CLIENTS)
        out.print(f"  {number:,} stored sessions: {_ms(found[f'{number:,}'][1])} CPU a turn")
    return _loads(f"Stored sessions, {STORED_CLIENTS} clients", found)


def _loads(title: str, found: Mapping[str, tuple[Measured, dict[str, float]]]) -> Report:
    rows = [
        ("turns/s", *(f"{measured.turns_per_s:.0f}" for measured, _ in found.values())),
        (
            "first event p50",
            *(f"{percentile(one.first_event_ms, 50):.0f} ms" for one, _ in found.values()),
        ),
        (
            "p99",
            *(f"{percentile(one.first_event_ms, 99):.0f} ms" for one, _ in found.values()),
        ),
        *_cpu_rows({name: cpu for name, (_, cpu) in found.items()}),
    ]
    return Report(title, ("", *found), rows)


def _cpu_rows(found: Mapping[str, dict[str, float]]) -> Iterator[tuple[str, ...]]:
    yield "CPU a turn, all processes", *map(_ms, found.values())
    roles = {role: None for cpu in found.values() for role in cpu}
    for role in roles:
        shares = [cpu.get(role, 0.0) for cpu in found.values()]
        if max(shares) >= SHOWN_MS:
            yield f"of it {role}", *(f"{share:.2f} ms" for share in shares)


def _ms(cpu: Mapping[str, float]) -> str:
    return f"{sum(cpu.values()):.2f} ms"


def _long_conversation(out: Console, checkout: Checkout, model_url: str) -> Report:
    """Lead one conversation of a thousand messages and look at turns on the way."""
    with _running(checkout, 1) as server:
        looks = uvloop.run(_converse(server, model_url))
    out.print(f"  a conversation of {MESSAGES[-1]:,} messages")
    return Report(
        "One conversation, turns one after another",
        ("At message", *(f"{number:,}" for number in MESSAGES)),
        [
            ("turn p50", *(f"{median(look.turn_ms):.1f} ms" for look in looks)),
            ("request to the model", *(f"{look.request_bytes / 1000:.0f} kB" for look in looks)),
            *_cpu_rows({str(place): look.cpu_ms for place, look in enumerate(looks)}),
        ],
    )


async def _converse(server: Server, model_url: str) -> list[Look]:
    looks: list[Look] = []
    async with asking(server.address) as client:
        session_id = await client.create(await make_agent(client, fake_model(model_url, MODEL)))
        turns = 0
        for messages in MESSAGES:
            while 2 * (turns + TURNS_EACH) < messages:
                await client.time_turn(session_id)
                turns += 1
            before = usages(server, memory=False)
            look = Look([await client.time_turn(session_id) for _ in range(TURNS_EACH)])
            turns += TURNS_EACH
            spent = cpu_by_role(before, usages(server, memory=False))
            look.cpu_ms = {role: cpu_s / TURNS_EACH * 1000 for role, cpu_s in spent.items()}
            # The fake model counts a token for every four bytes.
            earlier = await _input_tokens(client, session_id)
            await client.time_turn(session_id)
            turns += 1
            look.request_bytes = 4 * (await _input_tokens(client, session_id) - earlier)
            looks.append(look)
    return looks


async def _input_tokens(client: Client, session_id: str) -> int:
    return (await client.get(f"/v1/sessions/{session_id}"))["usage"]["input_tokens"]
