"""Agents with simulated models of their own, on a server over HTTP."""

from collections.abc import Mapping
from typing import Any

import httpx


async def make_agent(
    client: httpx.AsyncClient,
    provider: str,
    settings: Mapping[str, Any],
    cost: Mapping[str, float],
    **fields: Any,
) -> str:
    """Make a provider with one simulated model, and an agent that uses it; return its id.

    Args:
        client: Of the server's API.
        provider: The provider's name.
        settings: What the model does.
        cost: What a million tokens cost, in dollars.
        fields: Of the agent, its name among them.
    """
    wanted = {
        "name": provider,
        "provider_type": "simulated",
        "settings": settings,
        "models": [{"model_id": "simulated-1", "cost": cost}],
    }
    model = (await post(client, "/v1/llm-providers", wanted))["models"][0]["id"]
    return (await post(client, "/v1/agents", {**fields, "default_model_id": model}))["id"]


async def post(client: httpx.AsyncClient, path: str, body: object) -> Any:
    """Post something; return the answer.

    Raises:
        httpx.HTTPStatusError: The server has refused it.
    """
    answer = await client.post(path, json=body)
    answer.raise_for_status()
    return answer.json()
