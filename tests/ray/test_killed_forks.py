"""The registry dies in the middle of a fork: the fork is there as a whole, once."""

import asyncio

import pytest

from actors.names import REGISTRY
from everruns.domain.events import Event
from everruns.domain.forks import ForkInput
from everruns.domain.idempotency import Idempotency
from everruns.domain.messages import Message, TextPart
from everruns.domain.sessions import SessionInput
from everruns.runtime.runtime import Runtime
from everruns.storage.logs import EventQuery
from everruns.storage.sessions import SessionQuery
from tests.ray.processes import kill_named as kill

TURNS = 2_000
FILES = 20


def conversation() -> list[Message]:
    """Many turns, so that copying them takes a while."""
    return [
        Message(
            id="message_",
            session_id="session_",
            role=role,
            content=[TextPart(text=f"{role} {turn} " * 20)],
            created_at="",
        )
        for turn in range(TURNS)
        for role in ("user", "agent")
    ]


@pytest.mark.parametrize("begun_s", [0, 0.05, 0.15, 0.4])
async def test_forks_survive_the_death_of_the_registry_with_a_key_and_without(
    ray_runtime: Runtime, begun_s: float
):
    content = "x" * 50_000
    files = [{"path": f"/{number}", "content": content} for number in range(FILES)]
    sessions = ray_runtime.sessions
    wanted = SessionInput.model_validate({"title": "many turns", "initial_files": files})
    source = await sessions.create(wanted, conversation=conversation())
    keys = [None, Idempotency.of("fork", f"key {begun_s}", b"")]
    fork_as = [ForkInput(title=f"fork {number} {begun_s}") for number in range(len(keys))]

    forking = [
        asyncio.create_task(sessions.fork(source.id, named, key))
        for named, key in zip(fork_as, keys, strict=True)
    ]
    # The moment varies on purpose: nothing shows from outside how far the copies are.
    await asyncio.sleep(begun_s)
    kill(REGISTRY)
    forks = await asyncio.gather(*forking)

    own = await log_of(ray_runtime, source.id)
    for fork, named, key in zip(forks, fork_as, keys, strict=True):
        copied = await log_of(ray_runtime, fork.id)
        assert copied[:-1] == [event.copied(fork.id) for event in own]
        assert copied[-1].type == "session.forked"
        assert await sessions.get(fork.id) == fork
        listed = await ray_runtime.files.list(fork.workspace_id, "/")
        assert [file.size_bytes for file in listed] == [len(content)] * FILES
        found = await sessions.list(SessionQuery(search=named.title))
        assert [session.id for session in found.data] == [fork.id]
        if key is not None:
            assert await sessions.fork(source.id, named, key) == fork


async def log_of(runtime: Runtime, session_id: str) -> list[Event]:
    events: list[Event] = []
    while page := await runtime.sessions.events(
        session_id, EventQuery(after=len(events), limit=5_000)
    ):
        events += page
    return events
