"""Who sees what capabilities found."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from everruns.api.app import create_app
from everruns.api.v1.event_types import Event
from everruns.capabilities.base import Capability
from everruns.capabilities.registry import load_capabilities
from everruns.domain.prepared import Prepared, PreparedTool
from everruns.domain.tools import ToolDefinition
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from everruns.storage.memory.store import MemoryStore
from everruns.tools.base import SessionContext, ToolContext

TOOL = ToolDefinition(
    type="builtin", name="reach", description="Reaches.", parameters={"type": "object"}
)
USER = {"End-User": "ada"}


class Shelf:
    async def prepare(self, _config: dict[str, Any], _session: SessionContext) -> Prepared:
        tool = PreparedTool(definition=TOOL, reference="shelf-7")
        return Prepared(prompt="Shelves.", tools=[tool], notes=["One is missing."])

    async def run(self, _tool: PreparedTool, _arguments: Any, _context: ToolContext) -> Any:
        raise AssertionError("nothing runs here")


SHELF = Capability("shelf", "Shelf", "What a test wrote.", preparation=Shelf())


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[LocalRuntime]:
    runtime = LocalRuntime(MemoryStore(), settings, {**load_capabilities(), "shelf": SHELF})
    await runtime.start()
    yield runtime
    await runtime.close()


@pytest.fixture
def app(runtime: LocalRuntime, settings: Settings) -> FastAPI:
    return create_app(runtime, settings, {**load_capabilities(), "shelf": SHELF})


@pytest.fixture
async def session_id(server: httpx.AsyncClient) -> str:
    """A session of a channel in which a turn has ended."""
    wanted = {"name": "clerk", "capabilities": ["shelf"]}
    agent = (await server.post("/v1/agents", json=wanted)).json()["id"]
    sessions = f"/v1/channels/{agent}/sessions"
    session = (await server.post(sessions, headers=USER)).json()["id"]
    path = f"{sessions}/{session}"
    await server.post(f"{path}/messages", json={"content": "hi"}, headers=USER)
    assert "session.completed" in await streamed(server, f"{path}/events", "session.completed")
    return session


async def streamed(server: httpx.AsyncClient, path: str, last: str) -> list[str]:
    """The types of the events of a stream, from its start to the first of one type."""
    seen: list[str] = []
    stream = f"{path}?after_sequence=0"
    async with server.stream("GET", stream, headers=USER) as frames:
        async for line in frames.aiter_lines():
            if line.startswith("event: "):
                seen.append(line.removeprefix("event: "))
                if seen[-1] == last:
                    break
    return seen


async def test_the_sessions_own_route_shows_what_was_found(
    server: httpx.AsyncClient, session_id: str
):
    path = f"/v1/sessions/{session_id}/events/list?types=capabilities.prepared"
    (event,) = (await server.get(path)).json()["data"]
    Event.model_validate(event)
    assert event["data"]["offered"]["shelf"] == {
        "prompt": "Shelves.",
        "tools": [PreparedTool(definition=TOOL, reference="shelf-7").model_dump(mode="json")],
        "notes": ["One is missing."],
    }


async def test_end_users_do_not_see_it(server: httpx.AsyncClient, session_id: str):
    session = (await server.get(f"/v1/sessions/{session_id}")).json()
    path = f"/v1/channels/{session['agent_id']}/sessions/{session_id}/events"
    listed = (await server.get(f"{path}/list?after_sequence=0", headers=USER)).json()["data"]
    seen = await streamed(server, path, "session.completed")
    assert "capabilities.prepared" not in {event["type"] for event in listed} | set(seen)
    assert [event["type"] for event in listed][-1] == "session.completed"
    assert "shelf-7" not in str(listed)


async def test_a_channel_has_no_events_of_this_type(server: httpx.AsyncClient, session_id: str):
    session = (await server.get(f"/v1/sessions/{session_id}")).json()
    path = f"/v1/channels/{session['agent_id']}/sessions/{session_id}/events/list"
    refused = await server.get(f"{path}?types=capabilities.prepared", headers=USER)
    assert refused.status_code == 400
    assert "is not an event type" in refused.json()["error"]["message"]


async def test_the_sdks_face_does_not_show_it(server: httpx.AsyncClient, session_id: str):
    listed = (await server.get(f"/api/v1/sessions/{session_id}/events")).json()["data"]
    assert "shelf-7" not in str(listed)
    assert listed[-1]["type"] == "session.idled"
