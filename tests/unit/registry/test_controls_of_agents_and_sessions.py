"""Options for answers on agents and sessions: kept, and refused where the model refuses them."""

import pytest

from everruns.domain.agents import AgentInput, AgentPatch
from everruns.domain.controls import AnswerControls
from everruns.domain.llm import ProviderInput
from everruns.domain.sessions import SessionInput
from everruns.errors import InvalidRequest
from everruns.registry.registry import Registry

COLD = {"temperature": 0.2}
REFUSED = r"^Model work/gpt-5 takes no temperature\. Leave it out, or choose another model\.$"


@pytest.fixture
async def registry(registry: Registry) -> Registry:
    models = [{"model_id": "gpt-5"}, {"model_id": "gpt-4.1"}, {"model_id": "unheard-of"}]
    work = {"name": "work", "provider_type": "openai", "api_key": "sk-x", "models": models}
    await registry.providers.add(ProviderInput.model_validate(work))
    return registry


def agent_input(**fields: object) -> AgentInput:
    return AgentInput.model_validate({"name": "a", **fields})


def session_input(**fields: object) -> SessionInput:
    return SessionInput.model_validate(fields)


async def test_an_agent_keeps_its_options(registry: Registry):
    made, _ = await registry.agents.create(
        agent_input(controls=COLD, default_model_id="work/gpt-4.1")
    )
    assert (await registry.agents.get(made.id)).controls == AnswerControls(temperature=0.2)

    changed = await registry.agents.update(
        made.id, AgentPatch.model_validate({"controls": {"seed": 1}})
    )
    assert changed.controls == AnswerControls(seed=1)

    freed = await registry.agents.update(made.id, AgentPatch.model_validate({"controls": None}))
    assert freed.controls is None


async def test_an_agent_cannot_have_options_that_its_own_model_refuses(registry: Registry):
    with pytest.raises(InvalidRequest, match=REFUSED):
        await registry.agents.create(agent_input(controls=COLD, default_model_id="work/gpt-5"))

    warm, _ = await registry.agents.create(agent_input(default_model_id="work/gpt-5"))
    with pytest.raises(InvalidRequest, match=REFUSED):
        await registry.agents.update(warm.id, AgentPatch.model_validate({"controls": COLD}))
    assert await registry.agents.get(warm.id) == warm

    cold, _ = await registry.agents.create(agent_input(controls=COLD))
    with pytest.raises(InvalidRequest, match=REFUSED):
        await registry.agents.update(cold.id, AgentPatch(default_model_id="work/gpt-5"))


async def test_an_agent_whose_options_its_model_no_longer_takes_can_still_be_renamed(
    registry: Registry,
):
    made, _ = await registry.agents.create(agent_input(controls=COLD))
    stale = made.model_copy(update={"default_model_id": "work/gpt-5"})
    registry.agents._known.clear()
    registry.agents._store.agents.put(stale)

    assert (await registry.agents.update(made.id, AgentPatch(name="b"))).name == "b"


async def test_a_session_keeps_its_options(registry: Registry):
    made = await registry.sessions.create(session_input(controls=COLD, model_id="work/unheard-of"))

    assert (await registry.sessions.get(made.id)).controls == AnswerControls(temperature=0.2)


async def test_a_session_is_checked_with_the_model_and_the_options_that_it_gets(
    registry: Registry,
):
    cold, _ = await registry.agents.create(agent_input(controls=COLD))
    thinker, _ = await registry.agents.create(agent_input(default_model_id="work/gpt-5"))
    create = registry.sessions.create
    for refused in (
        session_input(controls=COLD),
        session_input(agent_id=cold.id),
        session_input(agent_id=cold.id, model_id="work/gpt-5"),
        session_input(agent_id=thinker.id, controls=COLD),
    ):
        with pytest.raises(InvalidRequest, match=REFUSED):
            await create(refused)

    await create(session_input(agent_id=cold.id, model_id="work/gpt-4.1"))
    await create(session_input(agent_id=thinker.id, controls=COLD, model_id="work/gpt-4.1"))
    await create(session_input(agent_id=thinker.id))
