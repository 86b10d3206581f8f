"""The desk's backend: it lets customers and operators in, and answers the agent's tool calls.

Conversations, open calls and decisions are in Everruns, orders and refunds in the shop. Nothing is
kept here, so this process may end at any moment, and the next one goes on.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import httpx
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, Field

from examples.support_desk.agent import AGENT_ID, DEMO_PROVIDER, agent
from examples.support_desk.shop import Refused, Shop

PAGES = Path(__file__).parent
ADDRESS = os.environ.get("EVERRUNS_API_URL", "http://127.0.0.1:9300")
API_KEY = os.environ.get("EVERRUNS_API_KEY", "")
SHOP = Path(os.environ.get("DESK_SHOP", "shop.sqlite"))
OPERATOR_PASSWORD = os.environ.get("DESK_OPERATOR_PASSWORD") or secrets.token_urlsafe(9)
LOOK_EVERY_S = 0.5
RETRIES = 10
NO_ROOM = 503
# What a customer's browser may do with its token.
RIGHTS = ["read", "send"]

log = logging.getLogger("desk")
everruns = httpx.AsyncClient(
    base_url=ADDRESS, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=30
)
shop = Shop(SHOP)


async def ask(method: str, path: str, **request: Any) -> Any:
    """Call Everruns and return its answer; while it has no room, call again when it says.

    Raises:
        httpx.HTTPError: It cannot be reached, or it refused.
    """
    answer = await everruns.request(method, path, **request)
    for _ in range(RETRIES):
        if answer.status_code != NO_ROOM:
            break
        await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
        answer = await everruns.request(method, path, **request)
    if answer.is_error:
        log.warning("%s %s: %s", method, path, answer.text)
    return answer.raise_for_status().json()


async def set_up() -> None:
    """Define the agent, and a model for it unless one is named; repeated at each start."""
    if "DESK_MODEL" not in os.environ:
        added = await everruns.post("/v1/llm-providers", json=DEMO_PROVIDER)
        if added.status_code != 409:  # It is there already.
            added.raise_for_status()
    await ask("POST", "/v1/agents", json=agent())


# The agent's tools


def run_tool(customer: str, call: dict[str, Any], key: str) -> dict[str, Any]:
    """Run one tool call and return its result as Everruns takes it.

    Args:
        customer: For whom the agent works. The agent cannot choose another one.
        call: The call, as ``waiting_for`` shows it.
        key: Identifies the call, however often it is made.
    """
    arguments = call["arguments"]
    try:
        if call["name"] == "lookup_order":
            result = shop.lookup_order(customer, arguments["order"])
        else:
            result = shop.refund(
                customer, arguments["order"], arguments["cents"], arguments["reason"], key=key
            )
    except Refused as refused:
        return {"tool_call_id": call["tool_call_id"], "error": str(refused)}
    return {"tool_call_id": call["tool_call_id"], "result": result}


async def answer_calls(session_id: str) -> None:
    """Answer the tool calls for which a session waits.

    If this process ends in between, the next one finds the same calls again: a refund is made once
    because its key is the same, and a result that is delivered twice changes nothing.
    """
    session = await ask("GET", f"/v1/sessions/{session_id}")
    results = [
        run_tool(session["end_user"], call, f"{session_id}/{call['tool_call_id']}")
        for call in session["waiting_for"]
        if call["type"] == "tool_call"
    ]
    if results:
        path = f"/v1/sessions/{session_id}/tool-results"
        await ask("POST", path, json={"tool_results": results})


async def serve_agent() -> None:
    """Find the sessions that wait for a tool, and answer them, for as long as the desk is open."""
    waiting = {"agent_id": AGENT_ID, "waiting": "tool_call", "limit": 100}
    while True:
        with suppress(httpx.HTTPError):  # It was logged; the next look tries again.
            page = await ask("GET", "/v1/sessions", params=waiting)
            for session in page["data"]:
                await answer_calls(session["id"])
        await asyncio.sleep(LOOK_EVERY_S)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    """Serve the agent while the application runs."""
    await set_up()
    serving = asyncio.create_task(serve_agent())
    yield
    serving.cancel()


app = FastAPI(title="Support desk", lifespan=lifespan)


# Customers

# A shop of your own knows its customers by their login; this one believes what it is told.
Customer = Annotated[str, Field(pattern="^[a-z]{1,40}$")]


class Visit(BaseModel):
    """A customer who opens the chat."""

    customer: Customer


@app.get("/")
async def customer_page() -> FileResponse:
    """Return the page of the chat."""
    return FileResponse(PAGES / "customer.html")


@app.post("/chats")
async def open_chat(visit: Visit) -> dict[str, Any]:
    """Return a customer's chat and a token with which their browser can read and write it."""
    session = await ask(
        "POST",
        "/v1/sessions",
        json={
            "agent_id": AGENT_ID,
            "end_user": visit.customer,
            "title": f"Chat of {visit.customer}",
        },
        # One chat for each customer: the same key gives the same session.
        headers={"Idempotency-Key": f"chat-{visit.customer}"},
    )
    token = await ask(
        "POST",
        "/v1/access-tokens",
        json={"session_id": session["id"], "rights": RIGHTS, "expires_in": 600},
    )
    return {
        "url": f"{ADDRESS}/v1/sessions/{session['id']}",
        "token": token["access_token"],
    }


# Operators


def operator(
    credentials: Annotated[HTTPBasicCredentials, Depends(HTTPBasic(realm="Support desk"))],
) -> str:
    """Return the operator's name, if the password is right."""
    given, wanted = credentials.password.encode(), OPERATOR_PASSWORD.encode()
    if not secrets.compare_digest(given, wanted):
        raise HTTPException(401, "Wrong password", {"WWW-Authenticate": "Basic"})
    return credentials.username


Operator = Annotated[str, Depends(operator)]


class Decision(BaseModel):
    """What an operator decides about one call."""

    session_id: str
    tool_call_id: str
    allowed: bool
    reason: Annotated[str, Field(max_length=500)] = ""


@app.get("/operator")
async def operator_page(_name: Operator) -> FileResponse:
    """Return the page of the refunds to decide."""
    return FileResponse(PAGES / "operator.html")


@app.get("/operator/approvals")
async def list_approvals(_name: Operator) -> list[dict[str, Any]]:
    """List the calls that wait for a decision, the longest-waiting first."""
    waiting = {"agent_id": AGENT_ID, "waiting": "approval", "limit": 100}
    page = await ask("GET", "/v1/sessions", params=waiting)
    sessions = [await ask("GET", f"/v1/sessions/{listed['id']}") for listed in page["data"]]
    held = [
        {**call, "session_id": session["id"], "customer": session["end_user"]}
        for session in sessions
        for call in session["waiting_for"]
        if call["type"] == "approval"
    ]
    return sorted(held, key=lambda call: call["since"])


@app.post("/operator/decisions")
async def decide(decision: Decision, name: Operator) -> dict[str, Any]:
    """Allow or reject a call; the agent reads the reason."""
    decided = {
        "tool_call_id": decision.tool_call_id,
        "decision": "allow" if decision.allowed else "reject",
        "reason": f"{name}: {decision.reason}" if decision.reason else None,
    }
    path = f"/v1/sessions/{decision.session_id}/tool-approvals"
    return await ask("POST", path, json={"decisions": [decided]})
