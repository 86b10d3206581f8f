"""``idle-streams``: what thousands of readers cost to whom nothing is said."""

import asyncio
import time
from dataclasses import dataclass

import uvloop
from rich.console import Console

from bench.checkout import Checkout
from bench.limits.asking import Client, asking, fake_model, make_agent
from bench.limits.listening import allow_many_connections, hear_turns, streams_of
from bench.limits.processes import wait_for_rest, wait_for_session_actors
from bench.limits.report import Report, Target
from bench.limits.starting import running_model
from bench.load import percentile
from bench.reply import parse_model_name
from bench.server import Server, running_server

STREAMS = 5_000
# As many as two session actors hold without being half full, which would start a third.
SESSIONS = 1_000
BUSY = "tokens-1000-rate-50"
SECONDS = 20.0
TARGET_OPEN_S = 10.0
TARGET_PERCENT = 5.0
# What two measurements of the same thing may differ by.
SAME_RATIO = 1.2


@dataclass(frozen=True)
class Idled:
    """What idle streams cost.

    Attributes:
        open_s: Seconds until all were open.
        percents: CPU of the whole server without them and with them, of one core.
        gaps_ms: Those of one busy stream, without them and with them.
    """

    open_s: float
    percents: tuple[float, float]
    gaps_ms: tuple[list[float], list[float]]


def measure(out: Console, checkout: Checkout) -> list[Report]:
    """Watch a server and one busy stream, before and while thousands of streams are open."""
    allow_many_connections()
    with (
        running_model() as model_url,
        running_server(checkout=checkout, EVERRUNS_DASHBOARD="false") as server,
    ):
        wait_for_session_actors(server)
        found = uvloop.run(_measure(server, model_url))
    out.print(f"  {STREAMS:,} streams opened in {found.open_s:.1f} s")
    return [_report(found)]


async def _measure(server: Server, model_url: str) -> Idled:
    async with asking(server.address) as client:
        agent_id = await make_agent(client, fake_model(model_url, BUSY))
        session_ids = await asyncio.gather(*(client.create(agent_id) for _ in range(SESSIONS)))
        without = await _percent(server), await _busy(server, client, agent_id)
        started = time.perf_counter()
        async with streams_of(server.address, session_ids * (STREAMS // SESSIONS)) as streams:
            open_s = time.perf_counter() - started
            with_them = await _percent(server), await _busy(server, client, agent_id)
            if ended := sum(stream.over.done() for stream in streams):
                raise RuntimeError(f"{ended} of the idle streams ended.")
    return Idled(open_s, (without[0], with_them[0]), (without[1], with_them[1]))


async def _percent(server: Server) -> float:
    """Return the CPU of a server that has come to rest, in percent of one core."""
    await asyncio.to_thread(wait_for_rest, server)
    before = server.cpu_s()
    await asyncio.sleep(SECONDS)
    return (server.cpu_s() - before) / SECONDS * 100


async def _busy(server: Server, client: Client, agent_id: str) -> list[float]:
    """Return the gaps of one stream, in milliseconds."""
    session_id = await client.create(agent_id)
    text = parse_model_name(BUSY).text
    (heard,) = await hear_turns(server.address, client, [session_id], text)
    return heard.gaps_ms


def _report(found: Idled) -> Report:
    p99_ms = [percentile(gaps, 99) for gaps in found.gaps_ms]
    return Report(
        f"{STREAMS:,} idle streams, {STREAMS // SESSIONS} on each of {SESSIONS:,} sessions",
        ("", "Without", "With"),
        [
            ("seconds to open", "", f"{found.open_s:.1f}"),
            ("CPU, percent of a core", *(f"{percent:.1f}" for percent in found.percents)),
            ("gap of a busy stream p99", *(f"{ms:.0f} ms" for ms in p99_ms)),
        ],
        [
            Target("idle streams: seconds to open", found.open_s, TARGET_OPEN_S),
            Target(
                "idle streams: further percent of a core",
                found.percents[1] - found.percents[0],
                TARGET_PERCENT,
            ),
            Target(
                "idle streams: gap p99 of a busy stream, with by without",
                p99_ms[1] / p99_ms[0],
                SAME_RATIO,
            ),
        ],
    )
