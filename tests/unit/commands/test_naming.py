"""What commands take for an agent or an id."""

import json

import httpx
import pytest

from everruns.commands.naming import checked_id, find_agent
from everruns.commands.server import Server
from everruns.errors import InvalidRequest, NotFound

ADDRESS = "http://127.0.0.1:9300"
OLD, NEW, OTHER = (f"agent_{digit * 32}" for digit in "123")
AGENTS = [
    {"id": OTHER, "name": "clerk-2"},
    {"id": NEW, "name": "clerk"},
    {"id": OLD, "name": "clerk"},
]


def serve(request: httpx.Request) -> httpx.Response:
    """Answer as the API does: a list has the newest agent first."""
    if request.url.path == "/v1/agents":
        searched = request.url.params["search"]
        found = [agent for agent in AGENTS if searched in agent["name"]]
        return httpx.Response(200, json={"data": found, "total": len(found)})
    agent_id = request.url.path.rpartition("/")[2]
    (agent,) = (agent for agent in AGENTS if agent["id"] == agent_id)
    return httpx.Response(200, content=json.dumps(agent))


async def found(given: str) -> str:
    async with Server(ADDRESS, transport=httpx.MockTransport(serve)) as api:
        return (await find_agent(api, given))["id"]


async def test_an_agent_is_found_by_its_id_or_name():
    assert await found(OTHER) == OTHER
    assert await found("clerk-2") == OTHER


async def test_of_agents_with_one_name_the_newest_is_meant():
    assert await found("clerk") == NEW


async def test_a_part_of_a_name_is_not_the_name():
    with pytest.raises(NotFound, match="No agent is called cler"):
        await found("cler")


def test_an_id_of_another_kind_is_refused_with_where_ids_are_listed():
    with pytest.raises(InvalidRequest, match=r"not the id of a session.*everruns sessions list"):
        checked_id(OLD, "session")


def test_nothing_lists_turns():
    with pytest.raises(
        InvalidRequest, match=r"not the id of a turn: turn_ and 32 hexadecimal digits\.$"
    ):
        checked_id("turn_1", "turn")
