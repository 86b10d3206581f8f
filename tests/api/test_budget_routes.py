"""Budgets over HTTP."""

import asyncio

import httpx
import pytest

from tests.waiting import PATIENCE_S, POLL_S

BUDGETS, SESSIONS = "/api/v1/budgets", "/api/v1/sessions"
MODEL = "simulated/simulated-1"
UNKNOWN = "0" * 32


@pytest.fixture
async def agent(client: httpx.AsyncClient) -> dict:
    body = {"name": "clerk", "system_prompt": "Be brief.", "default_model_id": MODEL}
    return (await client.post("/api/v1/agents", json=body)).json()


@pytest.fixture
async def session(client: httpx.AsyncClient, agent: dict) -> dict:
    return (await client.post(SESSIONS, json={"agent_id": agent["id"]})).json()


def wanted(subject: dict, **fields: object) -> dict:
    subject_type = subject["id"].partition("_")[0]
    plain = {"subject_type": subject_type, "subject_id": subject["id"]}
    return {**plain, "currency": "tokens", "limit": 100, **fields}


@pytest.fixture
async def budget(client: httpx.AsyncClient, session: dict) -> dict:
    body = wanted(session, currency="TOKENS", soft_limit=80, metadata={"team": "a"})
    return (await client.post(BUDGETS, json=body)).json()


async def ids(client: httpx.AsyncClient, path: str) -> list[str]:
    return [found["id"] for found in (await client.get(path)).json()]


async def test_a_created_budget_is_read_back(client: httpx.AsyncClient, budget: dict):
    assert (await client.get(f"{BUDGETS}/{budget['id']}")).json() == budget
    assert (budget["limit"], budget["balance"], budget["soft_limit"]) == (100, 100, 80)
    assert (budget["status"], budget["currency"]) == ("active", "tokens")
    assert budget["metadata"] == {"team": "a"}


async def test_a_budget_that_is_asked_for_twice_with_one_key_is_created_once(
    client: httpx.AsyncClient, agent: dict
):
    key = {"Idempotency-Key": "one"}
    first = await client.post(BUDGETS, json=wanted(agent), headers=key)
    again = await client.post(BUDGETS, json=wanted(agent), headers=key)
    other = await client.post(BUDGETS, json=wanted(agent, limit=9), headers=key)

    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert other.json()["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert await ids(client, BUDGETS) == [first.json()["id"]]


async def test_budgets_are_listed_bare_by_their_subject(
    client: httpx.AsyncClient, budget: dict, session: dict, agent: dict
):
    of_agent = (await client.post(BUDGETS, json=wanted(agent))).json()
    both = [of_agent["id"], budget["id"]]

    assert await ids(client, BUDGETS) == both
    assert await ids(client, f"{BUDGETS}?limit=1") == both[:1]
    assert await ids(client, f"{BUDGETS}?subject_type=agent") == both[:1]
    assert await ids(client, f"{BUDGETS}?subject_id={session['id']}") == both[1:]
    assert await ids(client, f"{SESSIONS}/{session['id']}/budgets") == both


async def test_budgets_are_listed_page_by_page(
    client: httpx.AsyncClient, budget: dict, agent: dict
):
    of_agent = (await client.post(BUDGETS, json=wanted(agent))).json()

    whole = (await client.get("/v1/budgets")).json()
    second = (await client.get("/v1/budgets?offset=1&limit=1")).json()
    of_agents = (await client.get("/v1/budgets?subject_type=agent")).json()

    assert whole == {"data": [of_agent, budget], "total": 2, "offset": 0, "limit": 20}
    assert second == {"data": [budget], "total": 2, "offset": 1, "limit": 1}
    assert (of_agents["data"], of_agents["total"]) == ([of_agent], 1)
    assert (await client.get("/v1/budgets?limit=101")).status_code == 400


async def test_a_ledger_is_listed_page_by_page(client: httpx.AsyncClient, budget: dict):
    path = f"/v1/budgets/{budget['id']}"
    for amount in (1, 2, 3):
        await client.post(f"{path}/top-up", json={"amount": amount})

    page = (await client.get(f"{path}/ledger?offset=1&limit=1")).json()

    assert [entry["amount"] for entry in page["data"]] == [-2]
    assert (page["total"], page["offset"], page["limit"]) == (3, 1, 1)


async def test_a_patch_changes_what_is_sent(client: httpx.AsyncClient, budget: dict):
    path = f"{BUDGETS}/{budget['id']}"

    changed = (await client.patch(path, json={"limit": 50, "soft_limit": None})).json()

    assert (changed["limit"], changed["balance"]) == (50, 50)
    assert "soft_limit" not in changed
    assert changed["metadata"] == {"team": "a"}
    for wrong in ({"limit": None}, {"status": "exhausted"}, {"limit": -1}):
        assert (await client.patch(path, json=wrong)).status_code == 400


async def test_a_deleted_budget_is_disabled_and_can_come_back(
    client: httpx.AsyncClient, budget: dict
):
    path = f"{BUDGETS}/{budget['id']}"
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).json()["status"] == "disabled"
    assert await ids(client, BUDGETS) == []

    await client.patch(path, json={"status": "active"})
    assert await ids(client, BUDGETS) == [budget["id"]]


async def test_top_ups_are_in_the_ledger(client: httpx.AsyncClient, budget: dict):
    path = f"{BUDGETS}/{budget['id']}"
    for amount in (5, 0.5):
        body = {"amount": amount, "description": f"plus {amount}"}
        topped = (await client.post(f"{path}/top-up", json=body)).json()

    assert (topped["balance"], topped["limit"]) == (105.5, 100)
    ledger = (await client.get(f"{path}/ledger")).json()
    assert [entry["amount"] for entry in ledger] == [-0.5, -5]
    assert (ledger[0]["meter_source"], ledger[0]["description"]) == ("top_up", "plus 0.5")
    assert (await client.get(f"{path}/ledger?limit=1&offset=1")).json() == ledger[1:]
    for wrong in (0, -1, "5", None):
        refused = await client.post(f"{path}/top-up", json={"amount": wrong})
        assert refused.status_code == 400


async def test_answers_are_charged_and_an_exhausted_budget_stops_the_turn(
    client: httpx.AsyncClient, session: dict, budget: dict
):
    path = f"{SESSIONS}/{session['id']}"

    async def said(text: str) -> dict:
        await client.post(f"{path}/messages", json={"content": text})
        async with asyncio.timeout(PATIENCE_S):
            while (await client.get(path)).json()["status"] != "idle":
                await asyncio.sleep(POLL_S)
        return (await client.get(f"{path}/budget-check")).json()

    assert (await client.get(f"{path}/budget-check")).json()["action"] == "continue"
    first = await said("hello")
    [entry] = (await client.get(f"{BUDGETS}/{budget['id']}/ledger")).json()
    assert first["balance"] == 100 - entry["amount"]
    assert (entry["meter_source"], entry["session_id"]) == ("model_answer", session["id"])

    spent = entry["amount"]
    await client.patch(f"{BUDGETS}/{budget['id']}", json={"limit": spent + 1, "soft_limit": 1})
    warned = (await client.get(f"{BUDGETS}/{budget['id']}/check")).json()
    assert (warned["action"], warned["budget_id"]) == ("warn", budget["id"])
    await client.patch(f"{BUDGETS}/{budget['id']}", json={"limit": spent})
    stopped = await said("again")
    assert (stopped["action"], stopped["error_code"]) == ("stop", "budget_exhausted")
    failed = (await client.get(f"{path}/events?types=turn.failed")).json()["data"]
    assert failed[-1]["data"]["error_code"] == "budget_exhausted"


async def test_a_paused_budget_is_resumed_with_its_session(
    client: httpx.AsyncClient, session: dict, budget: dict
):
    await client.patch(f"{BUDGETS}/{budget['id']}", json={"status": "paused"})
    path = f"{SESSIONS}/{session['id']}"
    assert (await client.get(f"{path}/budget-check")).json()["action"] == "pause"

    resumed = await client.post(f"{path}/resume", json={})

    assert resumed.json() == {"session_id": session["id"], "resumed_budgets": 1}
    assert (await client.get(f"{path}/budget-check")).json()["action"] == "continue"
    assert (await client.post(f"{path}/resume")).json()["resumed_budgets"] == 0


async def test_what_is_not_offered_is_refused(client: httpx.AsyncClient, session: dict):
    for wrong in (
        {"subject_type": "user"},
        {"currency": "credits"},
        {"period": {"type": "rolling", "window": "5h"}},
        {"period": "year"},
        {"limit": "10"},
    ):
        refused = await client.post(BUDGETS, json=wanted(session, **wrong))
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "INVALID_REQUEST")


async def test_a_subject_must_exist(client: httpx.AsyncClient, session: dict):
    for kind in ("session", "agent"):
        refused = await client.post(BUDGETS, json=wanted({"id": f"{kind}_{UNKNOWN}"}))
        assert refused.json()["error"]["code"] == f"{kind.upper()}_NOT_FOUND"
    mixed = await client.post(BUDGETS, json=wanted(session, subject_type="agent"))
    assert mixed.status_code == 404


async def test_a_subject_has_so_many_budgets_and_no_more(client: httpx.AsyncClient, session: dict):
    answers = [await client.post(BUDGETS, json=wanted(session)) for _ in range(21)]

    assert [answer.status_code for answer in answers] == [201] * 20 + [409]


async def test_an_unknown_budget_is_not_found(client: httpx.AsyncClient):
    path = f"{BUDGETS}/budget_{UNKNOWN}"
    for method, tail, body in (
        ("GET", "", None),
        ("PATCH", "", {}),
        ("DELETE", "", None),
        ("POST", "/top-up", {"amount": 1}),
        ("GET", "/ledger", None),
        ("GET", "/check", None),
    ):
        answer = await client.request(method, path + tail, json=body)
        assert answer.json()["error"]["code"] == "BUDGET_NOT_FOUND", (method, tail)
    for method, tail in (("GET", "budgets"), ("GET", "budget-check"), ("POST", "resume")):
        answer = await client.request(method, f"{SESSIONS}/session_{UNKNOWN}/{tail}")
        assert answer.json()["error"]["code"] == "SESSION_NOT_FOUND", tail
