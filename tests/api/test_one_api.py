"""/v1 is the API: what the other face has and means the same is there too."""

import httpx

DOCUMENT = "---\nname: Research Assistant\ncapabilities: [current_time]\n---\nBe careful.\n"


def routes(document: dict, prefix: str) -> set[tuple[str, str]]:
    return {
        (method, path.removeprefix(prefix))
        for path, methods in document["paths"].items()
        if path.startswith(f"{prefix}/")
        for method in methods
    }


async def test_both_faces_have_the_same_routes_but_for_the_stream(client: httpx.AsyncClient):
    document = (await client.get("/api-doc/openapi.json")).json()

    only_there = routes(document, "/api/v1") - routes(document, "/v1")

    # The other face has its own name for the route that makes an access token of a channel.
    assert only_there == {
        ("post", "/channels/{channel}/runtime-auth"),
        ("get", "/sessions/{session_id}/sse"),
        ("get", "/channels/{channel}/sessions/{session_id}/sse"),
    }
    # There, the events are always listed; and whoever operates a server does it here.
    assert routes(document, "/v1") - routes(document, "/api/v1") == {
        ("get", "/cluster"),
        ("get", "/deployment"),
        ("get", "/usage"),
        ("post", "/sql"),
        ("get", "/sessions/{session_id}/events/list"),
        ("get", "/channels/{channel}/sessions/{session_id}/events/list"),
    }


async def test_an_imported_agent_keeps_its_name_which_is_a_label(client: httpx.AsyncClient):
    first = await client.post("/v1/agents/import", content=DOCUMENT)
    second = await client.post("/v1/agents/import", content=DOCUMENT)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["name"] == "Research Assistant"
    assert first.json()["system_prompt"] == "Be careful."
    assert first.json()["id"] != second.json()["id"]


async def test_an_exported_agent_is_imported_as_the_same(client: httpx.AsyncClient):
    first = (await client.post("/v1/agents/import", content=DOCUMENT)).json()
    exported = await client.get(f"/v1/agents/{first['id']}/export")
    again = (await client.post("/v1/agents/import", content=exported.content)).json()

    decided = {"id", "created_at", "updated_at"}
    assert {name: again[name] for name in again.keys() - decided} == {
        name: first[name] for name in first.keys() - decided
    }


async def test_a_channels_card_names_the_sessions_of_its_own_face(client: httpx.AsyncClient):
    agent = (await client.post("/v1/agents", json={"name": "clerk"})).json()

    for face in ("/v1", "/api/v1"):
        card = (await client.get(f"{face}/channels/clerk")).json()
        assert card["links"]["sessions"] == f"{face}/channels/{agent['id']}/sessions"
        made = await client.post(card["links"]["sessions"], json={}, headers={"End-User": "al"})
        assert made.status_code == 201
    listed = await client.get("/v1/channels/clerk/sessions", headers={"End-User": "al"})
    assert len(listed.json()["data"]) == 2


async def test_blank_messages_are_refused(client: httpx.AsyncClient):
    session = (await client.post("/v1/sessions", json={})).json()

    for face in ("/v1", "/api/v1"):
        path = f"{face}/sessions/{session['id']}/messages"
        for content in ("", " \n\t", [{"type": "text", "text": ""}, {"type": "text", "text": " "}]):
            refused = await client.post(path, json={"content": content})
            assert refused.status_code == 400
            assert "is blank" in refused.json()["error"]["message"]
    assert (await client.get(f"/v1/sessions/{session['id']}/messages")).json()["total"] == 0
