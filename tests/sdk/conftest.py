"""The official SDK against the whole server, as ``everruns serve`` runs it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from everruns_sdk import Agent, Everruns, Session

from bench.server import Server
from tests.waiting import PATIENCE_S, POLL_S

MODEL = "simulated/simulated-1"


@pytest.fixture
async def everruns(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Everruns]:
    """The SDK's client, set up by its environment as a user would do it."""
    monkeypatch.setenv("EVERRUNS_API_URL", f"{server.address}/api")
    monkeypatch.setenv("EVERRUNS_API_KEY", "evr_nobody_asks")
    async with Everruns() as client:
        yield client


@pytest.fixture
async def agent(everruns: Everruns) -> AsyncIterator[Agent]:
    """An agent that the simulated model answers for."""
    agent = await everruns.agents.apply_by_name("clerk", "Be brief.", default_model_id=MODEL)
    yield agent
    await everruns.agents.delete(agent.id)


@pytest.fixture
async def talk(everruns: Everruns, agent: Agent) -> Session:
    """A session with one finished turn."""
    session = await everruns.sessions.create(agent_id=agent.id, title="A talk")
    await everruns.messages.create(session.id, "Hello, clerk.")
    async with asyncio.timeout(PATIENCE_S):
        while (session := await everruns.sessions.get(session.id)).status != "idle":
            await asyncio.sleep(POLL_S)
    return session
