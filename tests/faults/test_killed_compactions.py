"""A session actor is killed while it compacts a conversation: one summary, and one charge."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest

from tests.faults.checks import check_answered, check_log, check_view
from tests.faults.client import Client, Event, connected
from tests.faults.model import Answer, Say
from tests.faults.processes import kill
from tests.faults.report import REPORT
from tests.faults.talk import ON_ITS_WAY_S, Talk, World
from tests.waiting import eventually

TURN_WITHIN_S = 60.0
CONTEXT_TOKENS = 2_000
# Some fit into the context; one more does not.
EXCHANGES = 3
WORDS = 250


def script(number: int, text: str) -> list[Answer]:
    return [[Say(WORDS if number < EXCHANGES else 3)]]


async def forgetful_model(client: Client, url: str) -> str:
    """Return a model that takes little at a time, which is made known once."""
    offered = await client.get("/v1/models", search="forgetful")
    if offered["data"]:
        return offered["data"][0]["id"]
    provider = {
        "name": "forgetful",
        "provider_type": "openai",
        "base_url": url,
        "api_key": "sk-forgetful",
        "models": [{"model_id": "forgetful", "limits": {"context": CONTEXT_TOKENS}}],
    }
    return (await client.post("/v1/llm-providers", provider))["models"][0]["id"]


@asynccontextmanager
async def compacting(world: World) -> AsyncIterator[tuple[Talk, str]]:
    """Lead a session up to a summary that its model holds back; yield its budget's id, too."""
    async with connected(lambda: world.service.address) as client:
        model_id = await forgetful_model(client, world.model.url)
        async with world.talk_over(client, model_id, script) as talk:
            budget = {"subject_type": "session", "subject_id": talk.session_id}
            limited = {**budget, "currency": "tokens", "limit": 1_000_000}
            budget_id = (await client.post("/v1/budgets", limited))["id"]
            for turn in range(EXCHANGES):
                await talk.send()
                await talk.follower.turn_ended(turn + 1, TURN_WITHIN_S)
            talk.scenario.gates["summary"].hold()
            await talk.send()
            await talk.scenario.gates["summary"].reached()
            yield talk, budget_id


async def holder_of_summary(talk: Talk) -> psutil.Process:
    """Return the session actor that waits for the summary."""
    call = talk.scenario.summaries[-1]
    return await asyncio.to_thread(talk.service.session_actor_at, call.host, call.port)


async def check_compacted_once(talk: Talk, budget_id: str) -> None:
    """There is one compaction with one summary, and each stored step is charged once."""
    log = await talk.client.log(talk.session_id)
    await talk.follower.until(lambda: len(talk.follower.events) >= len(log))
    check_log(log, talk.sent)
    check_view(log, talk.follower)
    check_answered(log, talk.scenario)
    (announced,) = of_type(log, "context.compacting")
    (compacted,) = of_type(log, "context.compacted")
    assert compacted["strategy"] == "summarization"
    assert compacted["up_to_sequence"] == announced["up_to_sequence"]
    # Each answer was asked for once: the last one after the summary.
    assert [call.number for call in talk.scenario.calls] == list(range(EXCHANGES + 1))

    usages = [data["usage"] for data in of_type(log, "message.created") if "usage" in data]
    spent = [tokens(usage) for usage in (*usages, compacted["usage"])]
    assert len(spent) == EXCHANGES + 2
    ledger = await talk.client.get(f"/v1/budgets/{budget_id}/ledger", limit=100)
    assert sorted(entry["amount"] for entry in ledger["data"]) == sorted(spent)
    session = await talk.client.get(f"/v1/sessions/{talk.session_id}")
    assert tokens(session["usage"]) == sum(spent)


def of_type(log: Sequence[Event], kind: str) -> list[dict[str, Any]]:
    return [event["data"] for event in log if event["type"] == kind]


def tokens(usage: Mapping[str, int]) -> int:
    return usage["input_tokens"] + usage["output_tokens"]


@pytest.mark.parametrize(
    "is_on_its_way",
    [
        pytest.param(False, id="while the summary is written"),
        pytest.param(True, id="while the summary is stored", marks=pytest.mark.long),
    ],
)
async def test_a_compaction_is_carried_out_once(world: World, is_on_its_way: bool) -> None:
    outcome = REPORT["kill session actor in a compaction"]
    async with compacting(world) as (talk, budget_id):
        holder = await holder_of_summary(talk)
        with outcome.fault() as faults:
            if is_on_its_way:
                with talk.registry_paused():
                    talk.scenario.gates["summary"].open()
                    await eventually(lambda: talk.scenario.summaries[-1].finished_at)
                    await asyncio.sleep(ON_ITS_WAY_S)
                    kill(holder)
            else:
                kill(holder)
            talk.scenario.gates.open_all()
            ending = await talk.follower.turn_ended(EXCHANGES + 1, TURN_WITHIN_S)

        outcome.resumed(faults[0], faults[0], talk.follower.first_after(faults[0]))
        assert ending["type"] == "session.completed"
        assert len(talk.scenario.summaries) <= 2
        await check_compacted_once(talk, budget_id)
