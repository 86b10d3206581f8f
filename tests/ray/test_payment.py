"""The example of docs/capabilities.md pays once, though its process dies in the middle of it."""

import asyncio
from typing import Any

from everruns.domain.approvals import Decider
from everruns.domain.sessions import SessionInput
from everruns.runtime.runtime import Runtime
from tests.conftest import with_room
from tests.conversations import Conversation, simulated
from tests.ray.processes import kill_named
from tests.shop import Shop, open_shop
from tests.waiting import PATIENCE_S

SCRIPT = [
    {"tool_calls": [{"name": "refund_order", "arguments": {"order_id": "order-1"}}]},
    {"text": "The money is on its way."},
]


async def refund(runtime: Runtime, shop: Shop, end_user: str) -> Conversation:
    """A session of an end user, in which a supervisor has allowed a refund."""
    await with_room(runtime)
    wanted: dict[str, Any] = {
        "model_id": await simulated(runtime, script=SCRIPT),
        "capabilities": [{"ref": "payments", "config": {"url": shop.url}}],
        "end_user": end_user,
    }
    session = await runtime.registry.sessions.create(SessionInput.model_validate(wanted))
    talk = Conversation(runtime, session)
    await talk.send("My money, please.")
    async with talk.reading() as reader:
        held = await reader.until_type("tool.approval")
    await talk.decide(held.data["tool_call_id"], "allow", Decider(kind="operator"))
    return talk


async def test_a_payment_whose_process_dies_is_made_once_and_the_turn_completes(
    ray_runtime: Runtime,
):
    async with open_shop("ada") as shop:
        talk = await refund(ray_runtime, shop, end_user="ada")
        await asyncio.wait_for(shop.paying.wait(), PATIENCE_S)
        holder = await ray_runtime.registry.hosting.holder(talk.id)
        assert holder is not None
        kill_named(holder)
        shop.answers.set()

        await talk.ended()

        assert len(shop.asked) == 2
        assert shop.paid == {shop.asked[0]: 42}
        (result,) = await talk.data_of("tool.result")
        assert result["result"] == {"paid_back": 42}
        assert (await talk.messages())[-1].text == "The money is on its way."


async def test_nobody_gets_the_money_of_anothers_order(ray_runtime: Runtime):
    async with open_shop("ada") as shop:
        shop.answers.set()
        talk = await refund(ray_runtime, shop, end_user="bob")
        await talk.ended()
        (result,) = await talk.data_of("tool.result")
        assert result["error"] == "The customer has no order order-1."
        assert shop.paid == {}
