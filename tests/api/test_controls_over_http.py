"""Options for answers over HTTP, on both faces."""

import httpx
import pytest

FACES = ["/v1", "/api/v1"]
SAYS = {"reply": "one two three four"}


def error_of(response: httpx.Response) -> tuple[int, str, str]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["message"]


async def add_provider(client: httpx.AsyncClient, **fields: object) -> None:
    response = await client.post("/v1/llm-providers", json=fields)
    assert response.status_code == 201, response.text


async def answer_to(client: httpx.AsyncClient, messages: str, **fields: object) -> dict:
    """Send a message and return the event of its answer."""
    sent = await client.post(messages, json={"content": "hi", **fields})
    assert sent.status_code == 201, sent.text
    events = messages.replace("/api/v1", "/v1").replace("/messages", "/events")
    after = f"?after_sequence={sent.json()['sequence']}"
    for _ in range(1000):
        log = await client.get(events + after, headers={"Accept": "application/json"})
        listed = log.json()["data"]
        if listed and listed[-1]["type"] == "session.completed":
            return next(event for event in listed if event["type"] == "message.created")
    raise AssertionError("the turn did not end")


@pytest.mark.parametrize("face", FACES)
async def test_options_are_kept_shown_and_followed_the_most_specific_first(
    client: httpx.AsyncClient, face: str
):
    await add_provider(client, name="talker", provider_type="simulated", settings=SAYS)
    options = {"temperature": 0.2, "max_output_tokens": 3}
    body = {"name": "cold", "default_model_id": "talker/simulated-1", "controls": options}
    agent = (await client.post(f"{face}/agents", json=body)).json()
    body = {"agent_id": agent["id"], "controls": {"max_output_tokens": 2, "seed": 7}}
    session = (await client.post(f"{face}/sessions", json=body)).json()
    messages = f"{face}/sessions/{session['id']}/messages"

    assert (await client.get(f"{face}/agents/{agent['id']}")).json()["controls"] == options
    shown = (await client.get(f"{face}/sessions/{session['id']}")).json()["controls"]
    assert shown == {"max_output_tokens": 2, "seed": 7}

    cut = (await answer_to(client, messages))["data"]
    assert (cut["finish_reason"], cut["message"]["content"][0]["text"]) == ("length", "one two ")
    stopped = (await answer_to(client, messages, controls={"stop": ["two"]}))["data"]
    assert (stopped["finish_reason"], stopped["message"]["content"][0]["text"]) == ("stop", "one ")
    listed = (await client.get(messages)).json()["data"]
    assert [message.get("controls") for message in listed if message["role"] == "user"] == [
        None,
        {"stop": ["two"]},
    ]


async def test_a_patch_changes_and_removes_the_options_of_an_agent(client: httpx.AsyncClient):
    body = {"name": "a", "controls": {"temperature": 0.2}}
    path = f"/v1/agents/{(await client.post('/v1/agents', json=body)).json()['id']}"

    kept = await client.patch(path, json={"description": "d"})
    changed = await client.patch(path, json={"controls": {"seed": 1}})
    removed = await client.patch(path, json={"controls": None})

    assert kept.json()["controls"] == {"temperature": 0.2}
    assert changed.json()["controls"] == {"seed": 1}
    assert "controls" not in removed.json()


@pytest.mark.parametrize("face", FACES)
async def test_an_option_that_the_model_does_not_take_is_refused_everywhere(
    client: httpx.AsyncClient, face: str
):
    await add_provider(client, name="work", provider_type="openai", api_key="sk-x")
    session = (await client.post(f"{face}/sessions")).json()
    agent = (await client.post(f"{face}/agents", json={"name": "a"})).json()
    options = {"temperature": 0.2}
    refusal = "Model work/gpt-5 takes no temperature. Leave it out, or choose another model."

    for response in (
        await client.post(
            f"{face}/agents",
            json={"name": "b", "default_model_id": "work/gpt-5", "controls": options},
        ),
        await client.patch(
            f"{face}/agents/{agent['id']}",
            json={"default_model_id": "work/gpt-5", "controls": options},
        ),
        await client.post(f"{face}/sessions", json={"model_id": "work/gpt-5", "controls": options}),
        await client.post(
            f"{face}/sessions/{session['id']}/messages",
            json={"content": "hi", "controls": {"model_id": "work/gpt-5", **options}},
        ),
    ):
        assert error_of(response) == (400, "INVALID_REQUEST", refusal)
    assert (await client.get(f"{face}/sessions")).json()["total"] == 1
    assert (await client.get(f"{face}/sessions/{session['id']}/messages")).json()["total"] == 0


async def test_a_message_for_a_model_that_nobody_offers_is_refused(client: httpx.AsyncClient):
    session = (await client.post("/v1/sessions")).json()
    path = f"/v1/sessions/{session['id']}/messages"

    response = await client.post(
        path, json={"content": "hi", "controls": {"model_id": "nobody/nothing"}}
    )

    status, code, message = error_of(response)
    assert (status, code) == (400, "UNKNOWN_MODEL")
    assert "nobody/nothing" in message
    assert (await client.get(path)).json()["total"] == 0


@pytest.mark.parametrize("face", FACES)
async def test_an_unknown_option_does_not_vanish(client: httpx.AsyncClient, face: str):
    session = (await client.post(f"{face}/sessions")).json()
    agent = (await client.post(f"{face}/agents", json={"name": "a"})).json()
    controls = {"controls": {"max_tokens": 5}}
    message = {"content": "hi", **controls}

    for response in (
        await client.post(f"{face}/agents", json={"name": "b", **controls}),
        await client.patch(f"{face}/agents/{agent['id']}", json=controls),
        await client.post(f"{face}/sessions", json=controls),
        await client.post(f"{face}/sessions/{session['id']}/messages", json=message),
    ):
        status, code, message = error_of(response)
        assert (status, code) == (400, "INVALID_REQUEST")
        assert "controls.max_tokens: unknown field. Did you mean 'max_output_tokens'?" in message


async def test_an_agents_options_travel_in_its_document(client: httpx.AsyncClient):
    document = "---\nname: cold\ncontrols:\n  temperature: 0.2\n  stop: [END]\n---\nBe brief.\n"

    made = (await client.post("/api/v1/agents/import", content=document)).json()
    exported = await client.get(f"/api/v1/agents/{made['id']}/export")

    assert made["controls"] == {"temperature": 0.2, "stop": ["END"]}
    assert "controls:\n  temperature: 0.2\n  stop:\n  - END\n" in exported.text
