"""The context of a session's model over HTTP."""

from typing import Any

import httpx
import pytest

from everruns.domain.rights import Right
from everruns.registry.keys import ApiKeys
from everruns.settings import Settings
from tests.api.credentials import key_headers

PROMPT = "You are a careful clerk. The password is swordfish."


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth": "api_keys"})


@pytest.fixture
async def owner(keys: ApiKeys) -> dict[str, str]:
    return (await key_headers(keys))[1]


async def talked(client: httpx.AsyncClient, owner: dict[str, str]) -> dict[str, Any]:
    """A session whose model has answered once."""
    agent = {
        "name": "clerk",
        "system_prompt": PROMPT,
        "default_model_id": "simulated/simulated-1",
        "capabilities": ["test_math"],
    }
    agent_id = (await client.post("/v1/agents", json=agent, headers=owner)).json()["id"]
    wanted = {"agent_id": agent_id, "system_prompt": "Be brief."}
    session = (await client.post("/v1/sessions", json=wanted, headers=owner)).json()
    path = f"/v1/sessions/{session['id']}"
    await client.post(f"{path}/messages", json={"content": "Hello."}, headers=owner)
    for _ in range(5000):
        session = (await client.get(path, headers=owner)).json()
        if session["status"] == "idle":
            return session
    raise AssertionError("the turn has not ended")


async def test_the_context_has_prompts_tools_messages_and_tokens(
    guarded: httpx.AsyncClient, owner: dict[str, str]
):
    session = await talked(guarded, owner)

    read = await guarded.get(f"/v1/sessions/{session['id']}/context", headers=owner)

    assert read.status_code == 200
    context = read.json()
    assert context["model"] == "simulated/simulated-1"
    assert [part["source"] for part in context["prompts"]] == ["agent", "session", "capability"]
    assert [part["text"] for part in context["prompts"]][:2] == [PROMPT, "Be brief."]
    assert {tool["capability_id"] for tool in context["tools"]} == {"test_math"}
    roles = [said["message"]["role"] for said in context["messages"]["data"]]
    assert (roles, context["messages"]["total"]) == (["user", "agent"], 2)
    assert context["tokens"]["total"] > context["tokens"]["messages"] > 0


@pytest.mark.parametrize("rights", [["read"], ["read", "read_agents"]])
async def test_who_may_not_read_agents_sees_no_instructions(
    guarded: httpx.AsyncClient, keys: ApiKeys, owner: dict[str, str], rights: list[Right]
):
    session = await talked(guarded, owner)
    _, headers = await key_headers(keys, session["agent_id"], rights=rights)

    read = await guarded.get(f"/v1/sessions/{session['id']}/context", headers=headers)

    context = read.json()
    may = "read_agents" in rights
    assert ("swordfish" in read.text, bool(context["tools"])) == (may, may)
    assert [part.get("text") for part in context["prompts"]][1] == "Be brief."
    assert len(context["messages"]["data"]) == 2


async def test_the_context_holds_no_key_of_the_provider(
    guarded: httpx.AsyncClient, owner: dict[str, str]
):
    provider = {"name": "secret", "provider_type": "openai", "api_key": "sk-never-shown"}
    await guarded.post("/v1/llm-providers", json=provider, headers=owner)
    models = await guarded.get("/v1/models?search=secret", headers=owner)
    model_id = models.json()["data"][0]["id"]
    created = await guarded.post("/v1/sessions", json={"model_id": model_id}, headers=owner)

    read = await guarded.get(f"/v1/sessions/{created.json()['id']}/context", headers=owner)

    assert read.status_code == 200
    assert read.json()["tokens"]["limit"] > 0
    assert "sk-never-shown" not in read.text


async def test_a_model_that_is_gone_is_a_conflict_that_says_so(
    guarded: httpx.AsyncClient, owner: dict[str, str]
):
    provider = {"name": "gone", "provider_type": "simulated"}
    added = (await guarded.post("/v1/llm-providers", json=provider, headers=owner)).json()
    wanted = {"model_id": "gone/simulated-1"}
    session = (await guarded.post("/v1/sessions", json=wanted, headers=owner)).json()
    await guarded.delete(f"/v1/llm-providers/{added['id']}", headers=owner)

    read = await guarded.get(f"/v1/sessions/{session['id']}/context", headers=owner)

    assert (read.status_code, read.json()["error"]["code"]) == (409, "CONFLICT")
    assert "gone/simulated-1" in read.json()["error"]["message"]
