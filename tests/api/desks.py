"""Agents and sessions of two end users, and credentials that reach some of them."""

from dataclasses import dataclass

import httpx

from everruns.domain.rights import Grant, Right
from everruns.registry.keys import ApiKeys
from tests.api.credentials import Headers, bearer, key_headers, signed

SCOPES = ("key", "agent", "end user", "session")


@dataclass
class Desk:
    """Two agents, each with sessions of two end users, and a key without limits."""

    client: httpx.AsyncClient
    keys: ApiKeys
    key_id: str
    owner: Headers
    own: dict[str, str]
    others: dict[str, str]

    async def credential(self, scope: str, rights: list[Right]) -> Headers:
        """A credential with these rights for what is its own."""
        agent_ids = [self.own["agent_id"]]
        if scope == "key":
            return (await key_headers(self.keys, *agent_ids, rights=rights))[1]
        grant = Grant(
            rights=rights,
            agent_ids=agent_ids,
            end_user=None if scope == "agent" else "alice",
            session_id=self.own["session_id"] if scope == "session" else None,
        )
        return bearer(await signed(self.keys, grant, self.key_id))


async def desk_of(guarded: httpx.AsyncClient, keys: ApiKeys) -> Desk:
    """Make the agents and sessions of a desk, and the key."""
    key_id, owner = await key_headers(keys)

    async def made(name: str, user: str) -> dict[str, str]:
        wanted = {"name": name, "default_model_id": "simulated/simulated-1"}
        agent = (await guarded.post("/api/v1/agents", json=wanted, headers=owner)).json()
        session = await guarded.post(
            f"/api/v1/channels/{agent['id']}/sessions", headers={**owner, "End-User": user}
        )
        return {
            "agent_id": agent["id"],
            "channel": agent["id"],
            "session_id": session.json()["id"],
            "workspace_id": session.json()["workspace_id"],
            "path": "notes.txt",
        }

    own, others = await made("clerk", "alice"), await made("doctor", "bob")
    return Desk(guarded, keys, key_id, owner, own, others)


def code_of(response: httpx.Response) -> str:
    is_json = response.headers.get("content-type") == "application/json"
    body = response.json() if is_json and response.content else {}
    return body.get("error", {}).get("code", "") if isinstance(body, dict) else ""
