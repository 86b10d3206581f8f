"""Agents through the SDK."""

import pytest
from everruns_sdk import (
    Agent,
    AgentCapabilityConfig,
    ApiError,
    Everruns,
    InitialFile,
    NotFoundError,
    ToolDefinition,
    generate_agent_id,
)

MODEL = "simulated/simulated-1"

GIVEN = {"id", "created_at", "updated_at"}


async def create(everruns: Everruns, name: str) -> Agent:
    return await everruns.agents.create(
        name,
        "You are a clerk.\n\nBe careful.",
        display_name="The clerk",
        description="Adds things up.",
        default_model_id=MODEL,
        tags=["demo"],
        capabilities=[AgentCapabilityConfig(ref="test_math")],
        tools=[ToolDefinition(name="ask", description="Asks.", parameters={"type": "object"})],
        initial_files=[InitialFile(path="/notes.md", content="# Notes\n")],
        harness_name="generic",
        parallel_tool_calls=False,
    )


def decided(agent: Agent) -> dict[str, object]:
    return agent.model_dump(exclude=GIVEN)


async def test_an_agent_is_created_and_read(everruns: Everruns):
    created = await create(everruns, "created")

    assert (created.name, created.status) == ("created", "active")
    assert created.capabilities == [AgentCapabilityConfig(ref="test_math")]
    assert await everruns.agents.get(created.id) == created


async def test_an_agent_without_a_prompt_has_an_empty_one(everruns: Everruns):
    created = await everruns.agents.create("silent", "")

    assert created.system_prompt == ""


async def test_agents_are_listed_and_searched(everruns: Everruns):
    created = await create(everruns, "listed")

    assert created in await everruns.agents.list()
    assert await everruns.agents.list(search="LISTED") == [created]


async def test_an_agent_is_applied_under_an_id_of_the_clients(everruns: Everruns):
    identity = generate_agent_id()

    first = await everruns.agents.apply(identity, "applied", "One.")
    second = await everruns.agents.apply(identity, "applied", "Two.")

    assert first.id == second.id == identity
    assert (await everruns.agents.get(identity)).system_prompt == "Two."


async def test_an_agent_is_applied_by_its_name(everruns: Everruns):
    first = await everruns.agents.apply_by_name("named", "One.")
    second = await everruns.agents.apply_by_name("named", "Two.")

    assert first.id == second.id
    assert second.system_prompt == "Two."


async def test_an_agent_is_copied(everruns: Everruns):
    original = await create(everruns, "original")

    copies = [await everruns.agents.copy(original.id) for _ in range(2)]

    assert [copy.name for copy in copies] == ["original-copy", "original-copy-2"]
    assert decided(copies[0]) == {**decided(original), "name": "original-copy"}


async def test_an_exported_agent_is_imported_as_the_same(everruns: Everruns):
    original = await create(everruns, "exported")

    document = await everruns.agents.export(original.id)
    await everruns.agents.delete(original.id)
    imported = await everruns.agents.import_agent(document)

    assert document.startswith("---\nname: exported\n")
    assert imported.id != original.id
    assert decided(imported) == decided(original)


async def test_text_of_any_kind_is_imported(everruns: Everruns):
    documents = [
        "---\nname: imported\n---\nYou add.",
        "name: imported\nsystem_prompt: You add.",
        '{"name": "imported", "system_prompt": "You add."}',
    ]

    agents = [await everruns.agents.import_agent(document) for document in documents]
    plain = await everruns.agents.import_agent("You add.")

    assert len({agent.id for agent in agents}) == 1
    assert {agent.system_prompt for agent in [*agents, plain]} == {"You add."}


async def test_a_document_that_makes_no_sense_is_refused_with_its_line(everruns: Everruns):
    with pytest.raises(ApiError, match="line 3") as refusal:
        await everruns.agents.import_agent("---\nname: broken\ntags: ]\n---\n")

    assert (refusal.value.status_code, refusal.value.code) == (400, "INVALID_REQUEST")


async def test_a_deleted_agent_is_gone(everruns: Everruns):
    created = await create(everruns, "deleted")

    await everruns.agents.delete(created.id)

    with pytest.raises(NotFoundError):
        await everruns.agents.get(created.id)


async def test_changes_may_come_with_a_reason(everruns: Everruns):
    hurried = everruns.with_reason("no longer used, naïvely")
    created = await hurried.agents.create("reasoned", "Why?")

    await hurried.agents.delete(created.id)

    assert created not in await everruns.agents.list()
