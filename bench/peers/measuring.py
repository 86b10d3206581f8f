"""Load and its figures, the same for every server."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from bench.load import TURNS_IN_A_SESSION, percentile
from bench.peers.wires import BrokenServer, Conversation, Wire
from bench.reply import Reply, parse_model_name

QUESTION = "How are you?"
# A slow server is to be measured, not to be broken off; a silent one is broken.
SILENCE_S = 120.0
# Less than what uvicorn keeps an idle connection for, so that none is reused while it closes.
KEEP_ALIVE_S = 4.0
STREAMS_BEGIN_WITHIN_S = 1.0
OPENING_AT_ONCE = 16


@dataclass(frozen=True)
class TurnFigures:
    """Figures of clients that talk without a pause.

    Attributes:
        turns_per_s: Finished turns a second, new sessions included.
        first_event_p50: Milliseconds from sending a message to the first event of its turn.
        first_event_p99: The same, of the slowest hundredth.
        first_token_p50: Milliseconds to the first word of the answer.
        first_token_p99: The same, of the slowest hundredth.
        turn_p50: Milliseconds to the end of the turn.
        turn_p99: The same, of the slowest hundredth.
        cpu_ms: Milliseconds of CPU that the server took for each turn.
    """

    turns_per_s: float
    first_event_p50: float
    first_event_p99: float
    first_token_p50: float
    first_token_p99: float
    turn_p50: float
    turn_p99: float
    cpu_ms: float


@dataclass(frozen=True)
class StreamFigures:
    """Figures of many answers that are streamed at once.

    Attributes:
        tokens_per_s: Tokens delivered a second, from the first request to the last token.
        first_event_p50: Milliseconds from sending a message to the first event of its turn.
        first_event_p99: The same, of the slowest hundredth.
        gap_p50: Milliseconds of the longest silence within an answer.
        gap_p99: The same, of the worst hundredth of the answers.
        cpu_ms: Milliseconds of CPU that the server took for each thousand tokens.
    """

    tokens_per_s: float
    first_event_p50: float
    first_event_p99: float
    gap_p50: float
    gap_p99: float
    cpu_ms: float


@dataclass
class Turn:
    """When things of a turn happened, in seconds of one clock."""

    sent: float
    first_event: float = 0.0
    first_token: float = 0.0
    last_token: float = 0.0
    longest_gap: float = 0.0
    end: float = 0.0
    text: list[str] = field(default_factory=list[str])

    def hear(self, text: str) -> None:
        """Note that events arrived, and the text that they hold."""
        now = time.perf_counter()
        self.first_event = self.first_event or now
        if text:
            self.text.append(text)
            if self.first_token:
                self.longest_gap = max(self.longest_gap, now - self.last_token)
            self.first_token = self.first_token or now
            self.last_token = now


async def take_turn(conversation: Conversation, reply: Reply) -> Turn:
    """Take a turn and check its answer.

    Raises:
        BrokenServer: The answer is not what the model said.
    """
    turn = Turn(time.perf_counter())
    await conversation.turn(QUESTION, turn.hear)
    turn.end = time.perf_counter()
    if (text := "".join(turn.text)) != reply.text:
        raise BrokenServer(
            f"The answer has {len(text)} characters instead of {len(reply.text)}: {text[:200]!r}"
        )
    turn.text.clear()
    return turn


async def run_turns(
    wire: Wire, model: str, clients: int, seconds: float, cpu_s: Callable[[], float]
) -> TurnFigures:
    """Let clients send messages one after another for a while."""
    turns: list[Turn] = []
    reply = parse_model_name(model)
    cpu_before, started = cpu_s(), time.perf_counter()
    until = started + seconds

    async def converse() -> None:
        while time.perf_counter() < until:
            conversation = await wire.open(model)
            for _ in range(TURNS_IN_A_SESSION):
                turns.append(await take_turn(conversation, reply))
                if time.perf_counter() >= until:
                    break
            await conversation.close()

    async with asyncio.TaskGroup() as all_clients:
        for _ in range(clients):
            all_clients.create_task(converse())
    taken = time.perf_counter() - started
    cpu = cpu_s() - cpu_before
    first_events = _ms(turns, lambda turn: turn.first_event)
    first_tokens = _ms(turns, lambda turn: turn.first_token)
    ends = _ms(turns, lambda turn: turn.end)
    return TurnFigures(
        len(turns) / taken,
        *(percentile(each, p) for each in (first_events, first_tokens, ends) for p in (50, 99)),
        cpu_ms=cpu * 1000 / len(turns),
    )


async def run_streams(
    wire: Wire, model: str, streams: int, cpu_s: Callable[[], float]
) -> StreamFigures:
    """Take one turn in each of many sessions at once."""
    reply = parse_model_name(model)
    free = asyncio.Semaphore(OPENING_AT_ONCE)

    async def begin() -> Conversation:
        async with free:
            return await wire.open(model)

    conversations = await asyncio.gather(*(begin() for _ in range(streams)))
    cpu_before = cpu_s()

    async def listen(place: int, conversation: Conversation) -> Turn:
        await asyncio.sleep(place * STREAMS_BEGIN_WITHIN_S / streams)
        return await take_turn(conversation, reply)

    turns = await asyncio.gather(*map(listen, range(streams), conversations))
    taken = max(turn.last_token for turn in turns) - min(turn.sent for turn in turns)
    cpu = cpu_s() - cpu_before
    for conversation in conversations:
        await conversation.close()
    tokens = streams * reply.tokens
    first_events = _ms(turns, lambda turn: turn.first_event)
    gaps = [turn.longest_gap * 1000 for turn in turns]
    return StreamFigures(
        tokens / taken,
        *(percentile(each, p) for each in (first_events, gaps) for p in (50, 99)),
        cpu_ms=cpu * 1_000_000 / tokens,
    )


def _ms(turns: list[Turn], moment: Callable[[Turn], float]) -> list[float]:
    return [(moment(turn) - turn.sent) * 1000 for turn in turns]


@asynccontextmanager
async def speaking_to(
    address: str, wire: Callable[[aiohttp.ClientSession], Wire]
) -> AsyncGenerator[Wire]:
    """Open the one connector that all clients of a server share."""
    async with aiohttp.ClientSession(
        address,
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=SILENCE_S),
    ) as client:
        yield wire(client)
