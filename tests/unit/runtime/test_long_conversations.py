"""A conversation goes on, whatever its length, and knows what it was told."""

import asyncio
from pathlib import Path

from everruns.domain.snapshots import snapshot_of
from everruns.storage.data_directory.opening import open_store
from tests.conversations import PATIENCE_S, Conversation, limited
from tests.remembering_model import RememberingModel
from tests.scripts import local_runtime

TURNS = 2_000
CONTEXT = 8_000
# So much is said in each turn that the model takes a few dozen of them.
TALK = "Let us talk about the weather, which is fine today as it was on all days before. " * 4


async def exchange(talk: Conversation, text: str) -> str:
    """Return the answer to a message, without reading all that was said before."""
    await talk.send(text)
    session = await talk.runtime.host.held.get(talk.id)
    while session.state.turn is not None:
        assert session.task is not None
        await asyncio.wait({session.task}, timeout=PATIENCE_S)
    return session.state.history[-1].text


async def test_2000_turns_with_a_model_of_8000_tokens_and_it_knows_what_it_was_told(
    tmp_path: Path,
):
    model = RememberingModel(CONTEXT)
    store = open_store(tmp_path)
    async with local_runtime(model, store=store) as runtime:
        offered = await limited(runtime, CONTEXT)
        talk = await Conversation.begin(runtime, model_id=offered)
        await exchange(talk, "My password is swordfish.")
        for number in range(1, TURNS - 2):
            told = f"My number{number // 500} is n{number}."
            await exchange(talk, TALK if number % 500 else told)
        assert await exchange(talk, "What is my password?") == "swordfish"
        assert await exchange(talk, "What is my number3?") == "n1500"

        log = await talk.log()
        state = (await runtime.host.held.get(talk.id)).state
        assert [event.type for event in log].count("session.completed") == TURNS
        assert all(event.type != "session.failed" for event in log)
        assert 10 < model.summaries < TURNS / 20
        assert model.longest <= CONTEXT * 0.9
        # What was replaced is in the log and not in memory.
        assert len(state.history) + len(state.earlier) < 200
        assert len(snapshot_of(state, log[-1]).content) < len(b"".join(e.body for e in log)) / 5


async def test_it_goes_on_where_nobody_knows_how_much_the_model_takes():
    model = RememberingModel(CONTEXT)
    async with local_runtime(model) as runtime:
        talk = await Conversation.begin(runtime)
        await exchange(talk, "My password is swordfish.")
        for _ in range(200):
            await exchange(talk, TALK)
        assert await exchange(talk, "What is my password?") == "swordfish"
        reasons = {event["reason"] for event in await talk.data_of("context.compacted")}
        assert reasons == {"request_too_large"}


async def test_the_model_can_look_up_what_the_summary_left_out():
    model = RememberingModel(CONTEXT, looks_up=True)
    async with local_runtime(model) as runtime:
        offered = await limited(runtime, CONTEXT)
        talk = await Conversation.begin(runtime, model_id=offered)
        # The model's summaries know nothing of facts in other words than its own.
        await exchange(talk, f"Write this down: my key is 4711. {TALK}")
        for _ in range(150):
            await exchange(talk, TALK)
        assert "search_history" in [tool.name for tool in model.requests[-1].tools]
        await exchange(talk, "What is my key?")
        (result,) = await talk.data_of("tool.result")
        assert "my key is 4711" in result["result"]["found"][0]["text"]
