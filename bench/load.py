"""Load: clients that send messages and read the streamed turns."""

import asyncio
import time
from dataclasses import dataclass, field
from statistics import median, quantiles

import aiohttp

TURNS_IN_A_SESSION = 10
REQUEST_TIMEOUT_S = 60.0


@dataclass
class Measured:
    """What one run of a load came to.

    Attributes:
        clients: How many clients ran at once.
        seconds: How long it took.
        send_ms: For each turn, from sending the message to its acknowledgement.
        first_event_ms: For each turn, from sending the message to the first event of its stream.
        turn_ms: For each turn, from sending the message to its end.
    """

    clients: int
    seconds: float = 0.0
    send_ms: list[float] = field(default_factory=list)
    first_event_ms: list[float] = field(default_factory=list)
    turn_ms: list[float] = field(default_factory=list)

    @property
    def turns_per_s(self) -> float:
        """Finished turns a second."""
        return len(self.turn_ms) / self.seconds


def percentile(values: list[float], percent: int) -> float:
    """Return a percentile of measured values."""
    if percent == 50 or len(values) == 1:
        return median(values)
    return quantiles(values, n=100, method="inclusive")[percent - 1]


async def make_agent(address: str, tokens: int) -> str:
    """Define an agent whose simulated model answers with so many tokens at once."""
    async with _client(address) as client:
        provider = {
            "name": f"bench-{time.time_ns()}",
            "provider_type": "simulated",
            "settings": {"tokens": tokens},
        }
        created = await _post(client, "/v1/llm-providers", provider)
        model = created["models"][0]["id"]
        agent = {"name": "bench", "system_prompt": "Be brief.", "default_model_id": model}
        return (await _post(client, "/v1/agents", agent))["id"]


async def run_load(address: str, agent_id: str, clients: int, seconds: float) -> Measured:
    """Let clients send messages one after another for a while; return what was measured."""
    measured = Measured(clients)
    async with _client(address) as client:
        started = time.perf_counter()
        until = started + seconds
        await asyncio.gather(
            *(_converse(client, agent_id, until, measured) for _ in range(clients))
        )
        measured.seconds = time.perf_counter() - started
    return measured


async def _converse(
    client: aiohttp.ClientSession, agent_id: str, until: float, measured: Measured
) -> None:
    turns = 0
    session_id = ""
    while time.perf_counter() < until:
        if turns % TURNS_IN_A_SESSION == 0:
            session_id = (await _post(client, f"/v1/agents/{agent_id}/sessions", {}))["id"]
        await _turn(client, session_id, measured)
        turns += 1


async def _turn(client: aiohttp.ClientSession, session_id: str, measured: Measured) -> None:
    sent = time.perf_counter()
    await _post(client, f"/v1/sessions/{session_id}/messages", {"content": "How are you?"})
    measured.send_ms.append((time.perf_counter() - sent) * 1000)
    first = 0.0
    async with client.get(f"/v1/sessions/{session_id}/events") as stream:
        stream.raise_for_status()
        async for line in stream.content:
            if not line.startswith(b"event: ") or line.startswith(b"event: connected"):
                continue
            first = first or time.perf_counter()
            if line.startswith(b"event: session.completed"):
                break
            if line.startswith((b"event: session.failed", b"event: session.cancelled")):
                told = (await stream.content.readuntil(b"\n\n")).decode()
                raise RuntimeError(f"A turn failed under load: {told}")
        stream.close()
    measured.first_event_ms.append((first - sent) * 1000)
    measured.turn_ms.append((time.perf_counter() - sent) * 1000)


def _client(address: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        address,
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
    )


async def _post(client: aiohttp.ClientSession, path: str, body: dict) -> dict:
    async with client.post(path, json=body) as answer:
        if answer.status >= 400:
            raise RuntimeError(f"POST {path}: {answer.status} {await answer.text()}")
        return await answer.json()
