"""Talking to a runtime as a client does, whichever runtime it is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from everruns.domain.approvals import OPERATOR, Decider, ToolApprovals
from everruns.domain.events import TURN_ENDS, Delta, Event, EventType, Passing
from everruns.domain.idempotency import Idempotency
from everruns.domain.llm import Provider, ProviderInput
from everruns.domain.messages import Message, SendMessage
from everruns.domain.sessions import Session, SessionInput
from everruns.errors import CapacityExhausted
from everruns.ids import new_id
from everruns.runtime.external_input import Accepted
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.runtime import Runtime
from everruns.storage.logs import EventQuery

PATIENCE_S = 30.0
ROOM_PATIENCE_S = 60.0
ROOM_POLL_S = 0.05
Answer = TypeVar("Answer")


class Reader:
    """Reads a stream and rebuilds texts from deltas, as a client does.

    Attributes:
        items: All that came, in order.
        texts: Text by message id, from deltas alone.
        ended: Whether the stream has ended.
    """

    def __init__(self, batches: AsyncIterator[Iterable[Event | Passing]]) -> None:
        self._batches = batches
        self.items: list[Event | Passing] = []
        self.batches: list[list[Event | Passing]] = []
        self.texts: dict[str, str] = {}
        self.ended = False

    async def next(self) -> list[Event | Passing]:
        """Take one batch."""
        try:
            batch = list(await asyncio.wait_for(anext(self._batches), PATIENCE_S))
        except StopAsyncIteration:
            self.ended = True
            return []
        self.batches.append(batch)
        for item in batch:
            self.take(item)
        return batch

    def take(self, item: Event | Passing) -> None:
        self.items.append(item)
        if isinstance(item, Delta) and item.type == EventType.MESSAGE_DELTA:
            text = self.texts.get(item.message_id, "")
            assert item.offset <= len(text), "a gap between deltas"
            self.texts[item.message_id] = text[: item.offset] + item.text

    async def until(self, condition: Callable[[], object]) -> None:
        """Read on until the condition holds."""
        while not condition():
            assert not self.ended, "the stream ended too early"
            await self.next()

    async def until_type(self, *types: str) -> Event | Passing:
        """Read on until something of one of these types has come; return the last of them."""

        def came() -> bool:
            last = self.events[-1] if self.events else None
            if last is not None and last.type == EventType.SESSION_FAILED not in types:
                raise AssertionError(f"the turn failed: {last.data['error']}")
            return any(item.type in types for item in self.items)

        await self.until(came)
        return next(item for item in reversed(self.items) if item.type in types)

    @property
    def events(self) -> list[Event]:
        """The durable events that came."""
        return [item for item in self.items if isinstance(item, Event)]

    @property
    def deltas(self) -> list[Delta]:
        """The deltas that came."""
        return [item for item in self.items if isinstance(item, Delta)]

    @property
    def text(self) -> str:
        """The newest message that came as deltas."""
        return list(self.texts.values())[-1] if self.texts else ""

    async def close(self) -> None:
        await self._batches.aclose()


async def when_there_is_room(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask, and ask again while the answer is that every session actor is full for now."""
    async with asyncio.timeout(ROOM_PATIENCE_S):
        while True:
            try:
                return await ask()
            except CapacityExhausted:
                await asyncio.sleep(ROOM_POLL_S)


class Conversation:
    """One session of a runtime."""

    def __init__(self, runtime: Runtime, session: Session) -> None:
        self.runtime = runtime
        self.session = session
        self.id = session.id

    @classmethod
    async def begin(cls, runtime: Runtime, **fields: Any) -> "Conversation":
        wanted = SessionInput.model_validate(fields)
        return cls(runtime, await runtime.registry.sessions.create(wanted))

    async def send(self, text: str, key: str | None = None, **fields: Any) -> Message:
        sent = SendMessage.model_validate({"content": text, **fields})
        keyed = Idempotency.of("POST", key, text.encode()) if key else None
        return await self.runtime.sessions.send(self.id, sent, keyed)

    async def decide(
        self, call_id: str, decision: str, by: Decider = OPERATOR, **fields: Any
    ) -> Accepted:
        """Decide about a call that is held."""
        given = [{"tool_call_id": call_id, "decision": decision, **fields}]
        approvals = ToolApprovals.model_validate({"decisions": given})
        return await self.runtime.sessions.take(self.id, approvals, by)

    async def say(self, text: str) -> str:
        """Send a message and return the text of the turn's last answer."""
        await self.send(text)
        await self.ended()
        return (await self.messages())[-1].text

    async def ended(self) -> Event:
        """Wait until no turn is open and return how the last one ended."""
        async with self.reading() as reader:
            await reader.until(
                lambda: (
                    reader.events
                    and reader.events[-1].type in TURN_ENDS
                    and reader.items[-1] is reader.events[-1]
                )
            )
            return reader.events[-1]

    async def log(self) -> list[Event]:
        return list(await self.runtime.registry.logs.events(self.id, EventQuery()))

    async def types(self) -> list[str]:
        return [str(event.type) for event in await self.log()]

    async def data_of(self, kind: str) -> list[dict[str, Any]]:
        """The payloads of all events of a type."""
        return [event.data for event in await self.log() if event.type == kind]

    async def messages(self) -> list[Message]:
        return list((await self.runtime.registry.logs.messages(self.id, 0, 1000)).data)

    async def texts(self) -> list[str]:
        """What was said, with who said it."""
        return [
            f"{message.role}: {message.text}"
            for message in await self.messages()
            if message.role != "tool_result"
        ]

    @asynccontextmanager
    async def reading(self, cursor: Cursor | None = None) -> AsyncIterator[Reader]:
        """Read the session from a cursor, from the start by default."""
        reader = Reader(await self.runtime.sessions.stream(self.id, cursor or Cursor(0)))
        try:
            yield reader
        finally:
            await reader.close()


async def simulated(runtime: Runtime, **settings: Any) -> str:
    """Add a simulated provider with these settings; return the name of its model."""
    provider: Provider = await runtime.registry.providers.add(
        ProviderInput(name=new_id("p"), provider_type="simulated", settings=settings)
    )
    return provider.models[0].qualified_name


async def limited(runtime: Runtime, context: int) -> str:
    """Add a model that is known to take so many tokens; return its name."""
    model = {"model_id": "simulated-1", "limits": {"context": context}}
    wanted = {"name": new_id("p"), "provider_type": "simulated", "models": [model]}
    provider: Provider = await runtime.registry.providers.add(ProviderInput.model_validate(wanted))
    return provider.models[0].qualified_name
