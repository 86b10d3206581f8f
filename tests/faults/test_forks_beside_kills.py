"""A session is forked at the moment at which the actor that runs its turn is killed."""

import asyncio
from typing import Any

import pytest

from tests.faults.checks import check_log
from tests.faults.model import Answer, Say, Stop
from tests.faults.processes import kill
from tests.faults.report import REPORT
from tests.faults.talk import ON_ITS_WAY_S, World

TURN_WITHIN_S = 60.0


def script(number: int, text: str) -> list[Answer]:
    return [[Stop("begin"), Say(3), Stop("middle"), Say(3)]]


def copied(event: dict[str, Any]) -> dict[str, Any]:
    """Return what an event and its copy in a fork have in common."""
    data = dict(event["data"])
    if "message" in data:
        data["message"] = {**data["message"], "session_id": ""}
    return {"type": event["type"], "sequence": event["sequence"], "ts": event["ts"], "data": data}


@pytest.mark.parametrize("begins", ["before", pytest.param("after", marks=pytest.mark.long)])
async def test_the_fork_is_whole_and_both_sessions_go_on(world: World, begins: str) -> None:
    outcome = REPORT["kill session actor beside a fork"]
    async with world.talk(script) as talk:
        await talk.send()
        await talk.follower.turn_ended(1, TURN_WITHIN_S)
        source = await talk.client.log(talk.session_id)
        holder = await talk.begin_turn("middle")
        await talk.scenario.gates["middle"].reached()

        forking_of = f"/v1/sessions/{talk.session_id}/fork"
        with outcome.fault() as faults:
            with talk.registry_paused():
                if begins == "after":
                    kill(holder)
                forking = asyncio.create_task(talk.client.post(forking_of, {}))
                await asyncio.sleep(ON_ITS_WAY_S)
                kill(holder)
            fork = await forking
            talk.scenario.gates.open_all()
            ending = await talk.follower.turn_ended(2, TURN_WITHIN_S)

        outcome.resumed(faults[0], faults[0], talk.follower.first_after(faults[0]))
        assert ending["type"] == "session.completed"
        log = await talk.check(faults)
        assert log[: len(source)] == source
        forks = await talk.client.get("/v1/sessions", limit=100)
        found = [session["id"] for session in forks["data"]]
        assert found.count(fork["id"]) == 1

        own = await talk.client.log(fork["id"])
        assert [copied(event) for event in own[:-1]] == [copied(event) for event in source]
        assert own[-1]["type"] == "session.forked"
        other = world.model.scenario(f"{talk.scenario.name}-fork", script)
        said = await talk.client.send(fork["id"], other.message(0))
        async with talk.client.following(fork["id"]) as follower:
            await follower.turn_ended(2, TURN_WITHIN_S)
            check_log(await talk.client.log(fork["id"]), [talk.sent[0], said])
