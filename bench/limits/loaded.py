"""``loaded``: more streams at once than a small machine has time for, over a provider's wire."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import uvloop
from rich.console import Console

from bench.checkout import Checkout
from bench.limits.asking import asking, fake_model, make_agent
from bench.limits.listening import Heard, allow_many_connections, hear_turns
from bench.limits.processes import cpu_by_role, usages, wait_for_rest, wait_for_session_actors
from bench.limits.report import Report, Target
from bench.limits.starting import running_model
from bench.load import percentile
from bench.reply import parse_model_name
from bench.server import Server, running_server

STREAMS = 500
MODEL = "tokens-1000-rate-50"
QUICK = "tokens-20"
WARM_UP_SESSIONS = 40
SHOWN_MS = 1.0
TARGET_TOKENS_PER_S = 22_000.0
TARGET_FIRST_EVENT_MS = 1000.0
TARGET_GAP_MS = 300.0


@dataclass(frozen=True)
class Loaded:
    """What came of many streams.

    Attributes:
        heard: Each stream's turn.
        tokens: How many were asked for, and delivered.
        cpu_ms: Milliseconds of CPU for each thousand tokens, by role.
    """

    heard: list[Heard]
    tokens: int
    cpu_ms: Mapping[str, float]

    @property
    def tokens_per_s(self) -> float:
        """Tokens delivered a second, from the first message to the last token."""
        last = max(one.words[-1] for one in self.heard)
        return self.tokens / (last - min(one.sent for one in self.heard))


def measure(out: Console, checkout: Checkout) -> list[Report]:
    """Stream a long answer to each of many readers at once."""
    allow_many_connections()
    with (
        running_model() as model_url,
        running_server(checkout=checkout, EVERRUNS_DASHBOARD="false") as server,
    ):
        wait_for_session_actors(server)
        found = uvloop.run(_measure(server, model_url))
    out.print(f"  {STREAMS} streams: {found.tokens_per_s:,.0f} tokens/s")
    return [_report(found)]


async def _measure(server: Server, model_url: str) -> Loaded:
    reply = parse_model_name(MODEL)
    async with asking(server.address) as client:
        quick = await make_agent(client, fake_model(model_url, QUICK))
        warm_up = [await client.create(quick) for _ in range(WARM_UP_SESSIONS)]
        await asyncio.gather(*map(client.take_turn, warm_up))
        agent_id = await make_agent(client, fake_model(model_url, MODEL))
        session_ids = await asyncio.gather(*(client.create(agent_id) for _ in range(STREAMS)))
        await asyncio.to_thread(wait_for_rest, server)
        before = usages(server, memory=False)
        heard = await hear_turns(server.address, client, session_ids, reply.text)
        spent = cpu_by_role(before, usages(server, memory=False))
    tokens = STREAMS * reply.tokens
    return Loaded(
        heard, tokens, {role: cpu_s * 1_000_000 / tokens for role, cpu_s in spent.items()}
    )


def _report(found: Loaded) -> Report:
    first_ms = [one.first_event_ms for one in found.heard]
    longest_ms = [max(one.gaps_ms) for one in found.heard]
    cpu = sum(found.cpu_ms.values())
    reply = parse_model_name(MODEL)
    return Report(
        f"{STREAMS} answers of {reply.tokens:,} tokens at {reply.tokens_per_s} a second",
        ("", "Measured"),
        [
            ("tokens/s", f"{found.tokens_per_s:,.0f}"),
            ("first event p50", f"{percentile(first_ms, 50):,.0f} ms"),
            ("first event p99", f"{percentile(first_ms, 99):,.0f} ms"),
            ("longest gap p50", f"{percentile(longest_ms, 50):,.0f} ms"),
            ("longest gap p99", f"{percentile(longest_ms, 99):,.0f} ms"),
            ("CPU for 1,000 tokens", f"{cpu:.0f} ms"),
            *(
                (f"of it {role}", f"{ms:.0f} ms")
                for role, ms in found.cpu_ms.items()
                if ms >= SHOWN_MS
            ),
        ],
        [
            Target("loaded: tokens/s", found.tokens_per_s, TARGET_TOKENS_PER_S, at_least=True),
            Target("loaded: first event p99, ms", percentile(first_ms, 99), TARGET_FIRST_EVENT_MS),
            Target("loaded: longest gap p99, ms", percentile(longest_ms, 99), TARGET_GAP_MS),
        ],
    )
