"""everruns_payments.py: refunds through a shop's payment service."""

from typing import Annotated, Any

import httpx
from pydantic import Field

from everruns.capabilities.base import Capability
from everruns.tools.base import ToolContext, ToolError
from everruns.tools.function import tool

OrderId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$", description="The order's number.")]


@tool(repeatable=True, requires_approval=True, decided_by="operator")
async def refund_order(order_id: OrderId, context: ToolContext) -> dict[str, Any]:
    """Pay the price of one of the customer's orders back."""
    # The payment service pays once for each key, so the call may be repeated after a crash.
    once = {"Idempotency-Key": context.idempotency_key}
    async with httpx.AsyncClient(base_url=context.config["url"], timeout=20) as shop:
        found = await shop.get(f"/orders/{order_id}")
        if found.status_code == 404 or found.json()["customer"] != context.end_user:
            raise ToolError(f"The customer has no order {order_id}.")
        paid = await shop.post("/refunds", json={"order_id": order_id}, headers=once)
        paid.raise_for_status()
        return paid.json()


PAYMENTS = Capability(
    id="payments",
    name="Payments",
    description="Lets the agent refund orders of the customer it talks to.",
    system_prompt="Refund orders with refund_order. A supervisor must allow it first.",
    tools=[refund_order],
    config_schema={
        "type": "object",
        "properties": {"url": {"type": "string"}},
        "required": ["url"],
        "additionalProperties": False,
    },
)
