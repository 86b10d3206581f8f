"""What every store does with agents."""

from typing import Any

import pytest

from everruns.domain.agents import CapabilityConfig
from everruns.domain.usage import Usage
from everruns.storage.agents import AgentQuery
from everruns.storage.store import Store
from tests.stored import agent


def test_a_stored_agent_is_found_as_it_was(store: Store) -> None:
    stored = agent(
        1,
        system_prompt="Be kind.\nÄ☃",
        tags=["a"],
        capabilities=[CapabilityConfig(ref="time", config={"zone": [1, None]})],
        usage=Usage(input_tokens=3),
    )
    store.agents.put(stored)
    assert store.agents.find(stored.id) == stored


def test_an_unknown_agent_is_none(store: Store) -> None:
    assert store.agents.find("agent_0") is None
    assert store.agents.find_by_name("nobody") is None


def test_an_agent_put_again_is_replaced(store: Store) -> None:
    for version in range(5):
        store.agents.put(agent(1, name=f"version {version}"))
    assert store.agents.find(agent(1).id) == agent(1, name="version 4")
    assert store.agents.list(AgentQuery()) == ([agent(1, name="version 4")], 1)


def test_an_archived_agent_is_found_but_not_listed(store: Store) -> None:
    archived = agent(1, status="archived")
    store.agents.put(agent(1))
    store.agents.put(archived)
    assert store.agents.find(archived.id) == archived
    assert store.agents.list(AgentQuery()) == ([], 0)
    assert store.agents.find_by_name(archived.name) is None


def test_a_name_finds_its_newest_active_agent(store: Store) -> None:
    for number, status in ((2, "active"), (1, "active"), (3, "archived")):
        store.agents.put(agent(number, name="same", status=status))
    found = store.agents.find_by_name("same")
    assert found is not None
    assert found.id == agent(2).id


def test_agents_are_listed_newest_first_page_by_page(store: Store) -> None:
    for number in (3, 1, 5, 2, 4):
        store.agents.put(agent(number))
    assert store.agents.list(AgentQuery(offset=1, limit=2)) == ([agent(4), agent(3)], 5)
    assert store.agents.list(AgentQuery(offset=4, limit=2)) == ([agent(1)], 5)
    assert store.agents.list(AgentQuery(offset=9)) == ([], 5)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("ALPHA", [1]),
        ("beta", [2]),
        ("gamma delta", [3]),
        (f"{2:032x}", [2]),
        ("ÖL", [3]),
        ("100%", [1]),
        ("a_b", [2]),
        ("/", [3]),
        ("\\", []),
        ("nothing", []),
        ("", [3, 2, 1]),
    ],
)
def test_a_search_is_a_text_contained_in_any_case(
    store: Store, search: str, found: list[int]
) -> None:
    store.agents.put(agent(1, name="Alpha 100%", description="1000 aXb"))
    store.agents.put(agent(2, name="n", display_name="the BETA a_b"))
    store.agents.put(agent(3, name="n", description="Gamma Delta/öl"))
    agents, total = store.agents.list(AgentQuery(search=search))
    assert [each.id for each in agents] == [agent(number).id for number in found]
    assert total == len(found)


def test_agents_are_listed_by_their_ids_archived_or_not(store: Store) -> None:
    for number, status in ((1, "active"), (2, "archived"), (3, "active"), (4, "active")):
        store.agents.put(agent(number, name=f"Number {number}", status=status))
    some = [agent(number).id for number in (1, 2, 3, 9)]

    def listed(**query: Any) -> tuple[list[str], int]:
        found, total = store.agents.list(AgentQuery(ids=some, **query))
        return [each.name for each in found], total

    assert listed() == (["Number 3", "Number 2", "Number 1"], 3)
    assert listed(offset=1, limit=1) == (["Number 2"], 3)
    assert listed(search="number 2") == (["Number 2"], 1)
    assert listed(search="number 4") == ([], 0)
