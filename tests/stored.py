"""Things to store, told apart by a number."""

from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from everruns.domain.agents import Agent
from everruns.domain.budgets import Budget, LedgerEntry
from everruns.domain.events import Event, EventType, NewEvent
from everruns.domain.files import File
from everruns.domain.keys import ApiKey
from everruns.domain.llm import OfferedModel, Provider, ProviderAccount
from everruns.domain.mcp_servers import McpServer
from everruns.domain.sessions import Session, SessionSummary
from everruns.domain.workspaces import Workspace
from everruns.ids import format_time
from everruns.storage.logs import FIRST_HOLDER, Append, EventQuery
from everruns.storage.mcp_authorizations import StoredAuthorization
from everruns.storage.sessions import SessionQuery
from everruns.storage.store import Store


def time(age: int) -> str:
    return format_time(1_800_000_000_000 + age)


def agent(number: int, **fields: object) -> Agent:
    defaults = {
        "id": f"agent_{number:032x}",
        "name": f"Agent {number}",
        "harness_id": "harness_1",
        "created_at": time(number),
        "updated_at": time(number),
    }
    return Agent.model_validate(defaults | fields)


def session(number: int, **fields: object) -> Session:
    defaults = {
        "id": f"session_{number:032x}",
        "agent_id": "agent_1",
        "harness_id": "harness_1",
        "organization_id": "org_1",
        "workspace_id": f"workspace_{number}",
        "created_at": time(number),
        "updated_at": time(number),
    }
    return Session.model_validate(defaults | fields)


def account(number: int, api_key: str | None = None, **fields: object) -> ProviderAccount:
    model = OfferedModel(
        id=f"model_{number:032x}",
        provider_id=f"provider_{number:032x}",
        provider_name="p",
        provider_type="simulated",
        model_id="m",
        display_name="M",
        created_at=time(number),
        updated_at=time(number),
    )
    defaults = {
        "id": f"provider_{number:032x}",
        "name": "p",
        "provider_type": "simulated",
        "models": [model],
        "api_key_set": api_key is not None,
        "created_at": time(number),
        "updated_at": time(number),
    }
    return ProviderAccount(
        provider=Provider.model_validate(defaults | fields),
        api_key=SecretStr(api_key) if api_key else None,
    )


def mcp_server(number: int, **fields: object) -> McpServer:
    defaults = {
        "id": f"mcpserver_{number:032x}",
        "name": f"server-{number}",
        "url": "https://example.com/mcp",
        "created_at": time(number),
        "updated_at": time(number),
    }
    return McpServer.model_validate(defaults | fields)


def mcp_authorization(number: int, **fields: Any) -> StoredAuthorization:
    authorization_id = f"mcpauthorization_{number:032x}"
    defaults = {
        "id": authorization_id,
        "server_id": mcp_server(1).id,
        "kind": "authorization",
        "subject_id": authorization_id,
        "version": "v",
        "document": "{}",
        "sealed": "v1:sealed",
    }
    return StoredAuthorization(**(defaults | fields))


def events(
    number: int,
    first: int,
    count: int = 1,
    *,
    kind: EventType = EventType.MESSAGE_CREATED,
    turn: str | None = "turn_1",
    text: str = "hé\x00llo",
) -> list[Event]:
    new = NewEvent(kind, {"text": text}, {"turn_id": turn} if turn else {})
    sequences = range(first, first + count)
    return [
        new.at(f"session_{number:032x}", place, 1_800_000_000_000 + place) for place in sequences
    ]


def append(
    number: int, new: list[Event], *, holder: int = FIRST_HOLDER, **summary: object
) -> Append:
    fields = {"status": "active", "sequence": new[-1].sequence} | summary
    told = SessionSummary.model_validate(fields)
    return Append(f"session_{number:032x}", new[0].sequence, new, told, holder)


def wait(kind: str, place: int = 0) -> dict[str, str]:
    return {"type": kind, "tool_call_id": f"call_{place}", "name": "n", "since": time(1)}


def file(path: str, content: bytes = b"", **fields: object) -> File:
    plain = File(path, False, False, "text", len(content), time(1), time(1), content)
    return replace(plain, **fields)


def workspace(number: int, **fields: object) -> Workspace:
    defaults = {
        "id": f"workspace_{number}",
        "name": f"Workspace {number}",
        "created_at": time(number),
        "updated_at": time(number),
    }
    return Workspace.model_validate(defaults | fields)


def api_key(number: int) -> ApiKey:
    return ApiKey(
        id=f"key_{number}", name="Ä☃", hash="0" * 64, last_four="abcd", created_at=time(number)
    )


def budget(number: int, subject_id: str, **fields: object) -> Budget:
    defaults = {
        "id": f"budget_{number}",
        "subject_type": subject_id.partition("_")[0],
        "subject_id": subject_id,
        "currency": "tokens",
        "limit": 100,
        "organization_id": "org_1",
        "created_at": time(number),
        "updated_at": time(number),
    }
    return Budget.model_validate(defaults | fields)


def top_up(number: int, budget_id: str, **fields: object) -> LedgerEntry:
    defaults = {
        "id": f"ledger_{number:032x}",
        "budget_id": budget_id,
        "amount": -1.0,
        "meter_source": "top_up",
        "created_at": time(number),
    }
    return LedgerEntry.model_validate(defaults | fields)


def answer(number: int, place: int, tokens: int = 0, usd: float | None = None) -> Append:
    """What stores an answer of a model with its usage."""
    data = {
        "message": {"id": f"message_{place}"},
        "usage": {"output_tokens": tokens, "estimated_cost_usd": usd},
    }
    new = NewEvent(EventType.MESSAGE_CREATED, data, {"turn_id": "turn_1"})
    return append(number, [new.at(f"session_{number:032x}", place, 1_800_000_000_000 + place)])


def log(store: Store, number: int, **query: object) -> list[int]:
    found = store.logs.read(f"session_{number:032x}", EventQuery(**query))
    return [event.sequence for event in found]


def listed(store: Store, **query: object) -> list[int]:
    """Return the numbers of the sessions that a list has."""
    found, total = store.sessions.list(SessionQuery(**query))
    assert total == len(found)
    return [int(each.id.removeprefix("session_"), 16) for each in found]
