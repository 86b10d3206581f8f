"""``unreadable``: what a session that cannot be loaded costs the others on its session actor."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import duckdb
import uvloop
from rich.console import Console

from bench.checkout import Checkout
from bench.limits.asking import Client, asking, fake_model, make_agent
from bench.limits.listening import hear_turns
from bench.limits.processes import wait_for_rest, wait_for_session_actors
from bench.limits.report import Report, Target
from bench.limits.starting import running_model
from bench.load import percentile
from bench.reply import parse_model_name
from bench.server import Server, running_server
from everruns.storage.data_directory.opening import DATABASE_FILE

# A multiple of what a turn leaves, so that none is open.
EVENTS = 7_000
STREAMS = 20
MODEL = "tokens-1000-rate-50"
ROUNDS = 2
# What a browser waits before it connects again, unless it is told otherwise.
RECONNECT_S = 0.25
SAME_RATIO = 1.2
WITHOUT, WITH = "without", "with"


def measure(out: Console, checkout: Checkout) -> list[Report]:
    """Stream to others on its host, in turns with and without a reader that follows it."""
    with TemporaryDirectory(prefix="everruns-bench-") as folder, running_model() as model_url:
        data_dir = Path(folder) / "data"
        session_id = checkout.fill(data_dir, 0, EVENTS)
        damage(data_dir, session_id)
        with running_server(
            checkout=checkout,
            EVERRUNS_DATA_DIR=str(data_dir),
            EVERRUNS_DASHBOARD="false",
            EVERRUNS_WARM_SESSION_ACTORS="1",
            EVERRUNS_MAX_SESSION_ACTORS="1",
        ) as server:
            wait_for_session_actors(server, 1)
            wait_for_rest(server)
            gaps_ms, answers = uvloop.run(_measure(server, model_url, session_id))
    out.print(f"  its reader was answered {answers} times")
    p99_ms = {name: percentile(gaps, 99) for name, gaps in gaps_ms.items()}
    worst_ms = {name: max(gaps) for name, gaps in gaps_ms.items()}
    return [
        Report(
            f"{STREAMS} streams on the session actor of an unreadable session of {EVENTS:,} events",
            ("Its reader", *gaps_ms),
            [
                ("gap p99", *(f"{ms:.0f} ms" for ms in p99_ms.values())),
                ("longest gap", *(f"{ms:.0f} ms" for ms in worst_ms.values())),
            ],
            [
                Target(
                    "unreadable: gap p99 of others, with its reader by without",
                    p99_ms[WITH] / p99_ms[WITHOUT],
                    SAME_RATIO,
                )
            ],
        )
    ]


def damage(data_dir: Path, session_id: str) -> None:
    """Make the last event of a stored session one that no version can read."""
    with duckdb.connect(str(data_dir / DATABASE_FILE)) as database:
        last = "select max(sequence) from events where session_id = $1"
        change = f"update events set body = '[]' where session_id = $1 and sequence = ({last})"
        database.execute(change, [session_id])


async def _measure(
    server: Server, model_url: str, unreadable: str
) -> tuple[dict[str, list[float]], int]:
    """Return the gaps of the others in milliseconds, and how often the reader was answered."""
    gaps_ms: dict[str, list[float]] = {WITHOUT: [], WITH: []}
    answered: list[int] = []
    async with asking(server.address) as client:
        agent_id = await make_agent(client, fake_model(model_url, MODEL))
        for _ in range(ROUNDS):
            gaps_ms[WITHOUT] += await _others(server, client, agent_id)
            async with _followed(server, unreadable, answered):
                gaps_ms[WITH] += await _others(server, client, agent_id)
    return gaps_ms, len(answered)


async def _others(server: Server, client: Client, agent_id: str) -> list[float]:
    text = parse_model_name(MODEL).text
    session_ids = [await client.create(agent_id) for _ in range(STREAMS)]
    heard = await hear_turns(server.address, client, session_ids, text)
    return [gap_ms for one in heard for gap_ms in one.gaps_ms]


@asynccontextmanager
async def _followed(server: Server, session_id: str, answered: list[int]) -> AsyncIterator[None]:
    """Follow a session as a browser does: connect again whenever the stream ends."""

    async def follow() -> None:
        async with aiohttp.ClientSession(server.address) as http:
            while True:
                with suppress(aiohttp.ClientError):
                    async with http.get(f"/v1/sessions/{session_id}/events") as stream:
                        answered.append(stream.status)
                        async for _ in stream.content:
                            pass
                await asyncio.sleep(RECONNECT_S)

    following = asyncio.create_task(follow())
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
