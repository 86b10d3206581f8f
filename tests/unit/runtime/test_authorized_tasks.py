"""Tasks and held questions of MCP servers that want OAuth."""

import asyncio
from typing import Any

from everruns.storage.memory.store import MemoryStore
from tests.conversations import Conversation
from tests.desk import Desk, acting, answer, asked, desk_with, results
from tests.mcp_server import Exchange
from tests.mcp_tasks import DONE, TaskServer
from tests.oauth_server import OAuthServer
from tests.scripts import Gate

WORKING = {"status": "working"}
COMPLETED = {"status": "completed", "result": DONE}


def with_tasks(oauth: OAuthServer, *states: dict[str, Any]) -> TaskServer:
    """Let a server that wants OAuth make a task of each call, and return who works on them."""
    works = TaskServer(*states)
    for method in ("server/discover", "tools/call", "tasks/get", "tasks/update", "tasks/cancel"):
        oauth.behaviours[method] = works.behaviours[method]
    return works


async def left_without_authorization(desk: Desk, oauth: OAuthServer) -> Conversation:
    """Return a conversation whose task is under way when its user's authorization ends."""
    await desk.connect()
    talk = await desk.talk()
    await talk.send("go")
    async with talk.reading() as reader:
        await reader.until_type("tool.suspended")
    oauth.revoke()
    return talk


async def test_a_task_whose_authorization_ends_is_looked_at_again_after_consent():
    async with OAuthServer() as oauth, desk_with(acting("Done."), oauth) as desk:
        works = with_tasks(oauth, WORKING)
        talk = await left_without_authorization(desk, oauth)
        _, address = await asked(talk)
        works.states = [COMPLETED]
        await desk.open(address)
        await talk.ended()
        assert await results(talk) == ["baked"]
        assert len(oauth.asked("tools/call")) == 1


async def test_a_process_that_is_lost_in_a_look_after_consent_costs_nothing():
    store, driver, gate = MemoryStore(), acting("Done."), Gate()

    async def held(exchange: Exchange) -> None:
        await gate.pass_through()
        await exchange.result()

    async with OAuthServer() as oauth:
        works = with_tasks(oauth, WORKING)
        async with desk_with(driver, oauth, store) as desk:
            talk = await left_without_authorization(desk, oauth)
            _, address = await asked(talk)
            oauth.behaviours["tasks/get"] = held
            await desk.open(address)
            await asyncio.wait_for(gate.reached.wait(), 20)
        works.states = [COMPLETED]
        oauth.behaviours["tasks/get"] = works.behaviours["tasks/get"]
        async with desk_with(driver, oauth, store) as later:
            talk.runtime = later.runtime
            await talk.ended()
            assert await results(talk) == ["baked"]
        assert len(oauth.asked("tools/call")) == 1


async def test_the_task_of_a_call_that_waits_for_consent_is_cancelled_with_its_turn():
    async with OAuthServer() as oauth, desk_with(acting("Done."), oauth) as desk:
        works = with_tasks(oauth, WORKING)
        talk = await left_without_authorization(desk, oauth)
        await asked(talk)
        await desk.connect()
        await desk.runtime.sessions.cancel(talk.id)
        await asyncio.wait_for(works.cancelled.wait(), 20)


async def test_a_user_who_does_not_consent_any_more_leaves_the_outcome_of_a_task_unknown():
    async with OAuthServer() as oauth, desk_with(acting("Done."), oauth) as desk:
        with_tasks(oauth, WORKING)
        talk = await left_without_authorization(desk, oauth)
        question, _ = await asked(talk)
        await answer(talk, question, "Cancel")
        await talk.ended()
        (result,) = await results(talk)
    assert "does not want to connect desk" in result
    assert "unknown what has become of its task" in result
