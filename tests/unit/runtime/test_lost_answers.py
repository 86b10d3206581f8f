"""A process is lost after it has done something and before it has answered: nobody notices.

The processes are simulated (see ``tests.simulation``); the calls between them are the product's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from everruns.domain.agents import AgentInput
from everruns.domain.approvals import ToolApprovals
from everruns.domain.budgets import BudgetInput, TopUp
from everruns.domain.llm import ProviderInput
from everruns.domain.messages import SendMessage
from everruns.domain.questions import QuestionAnswers
from everruns.domain.sessions import SessionInput
from everruns.domain.tools import ToolResults
from everruns.domain.workspaces import WorkspaceInput
from everruns.errors import AgentNotFound, HostLost, ProviderNotFound
from everruns.registry.registry import Registry
from everruns.runtime.runtime import Runtime
from everruns.storage.agents import AgentQuery
from everruns.storage.budgets import BudgetQuery
from everruns.storage.memory.store import MemoryStore
from everruns.storage.sessions import SessionQuery
from everruns.storage.store import Store
from everruns.storage.workspaces import WorkspaceQuery
from tests.conversations import Conversation
from tests.data_directories import open_new_store
from tests.postgres import postgres_store
from tests.simulated_model import RING_BELL
from tests.simulated_processes import SimulatedLoop
from tests.simulation import HOSTS, Cluster

Scenario = Callable[[Cluster, Runtime], Awaitable[None]]
WANTED_AGENT = AgentInput(name="a")


@pytest.fixture(params=["memory", "journal", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The store of a simulated cluster: in memory, or one of those that a server has."""
    if request.param == "postgresql":
        with postgres_store() as store:
            yield store
        return
    store = MemoryStore() if request.param == "memory" else open_new_store(tmp_path)
    yield store
    store.close()


@pytest.fixture
def simulate(store: Store) -> Iterator[Callable[[Scenario], None]]:
    """Runs a scenario on a simulated cluster."""
    loop = SimulatedLoop()

    async def run(scenario: Scenario) -> None:
        cluster = Cluster(Random(0), store=store)
        await cluster.start()
        await scenario(cluster, cluster.runtime("replica"))
        assert not cluster.lose_answers_of

    with loop.telling_the_time():
        yield lambda scenario: loop.run_until_complete(run(scenario))
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()


# Of the registry


async def create_session(registry: Registry) -> None:
    created = await registry.sessions.create(SessionInput())
    page = await registry.sessions.list(SessionQuery())
    assert [session.id for session in page.data] == [created.id]


async def create_agent(registry: Registry) -> None:
    agent, is_new = await registry.agents.create(AgentInput(name="other"))
    assert is_new
    assert (await registry.agents.list(AgentQuery(search="other"))).data == [agent]


async def copy_agent(registry: Registry) -> None:
    agent = await registry.agents.get_by_name("a")
    copy = await registry.agents.copy(agent.id)
    assert (await registry.agents.list(AgentQuery())).data == [copy, agent]


async def archive_agent(registry: Registry) -> None:
    agent = await registry.agents.get_by_name("a")
    await registry.agents.archive(agent.id)
    with pytest.raises(AgentNotFound):
        await registry.agents.archive(agent.id)


async def add_provider(registry: Registry) -> None:
    known = await registry.providers.list()
    added = await registry.providers.add(ProviderInput(name="another", provider_type="simulated"))
    assert await registry.providers.list() == [added, *known]


async def delete_provider(registry: Registry) -> None:
    (provider,) = await registry.providers.list()
    await registry.providers.delete(provider.id)
    with pytest.raises(ProviderNotFound):
        await registry.providers.delete(provider.id)


async def create_workspace(registry: Registry) -> None:
    created = await registry.workspaces.create(WorkspaceInput(name="shared"))
    page = await registry.workspaces.list(WorkspaceQuery())
    assert [workspace.id for workspace in page.data] == [created.id]


async def create_budget(registry: Registry) -> None:
    agent = await registry.agents.get_by_name("a")
    created = await registry.budgets.create(budget(agent.id))
    assert [one.id for one in (await registry.budgets.list(BudgetQuery())).data] == [created.id]


async def top_up(registry: Registry) -> None:
    agent = await registry.agents.get_by_name("a")
    created = await registry.budgets.create(budget(agent.id))
    await registry.budgets.top_up(created.id, TopUp(amount=5))
    assert (await registry.budgets.ledger(created.id, 0, 10)).total == 1


def budget(agent_id: str) -> BudgetInput:
    return BudgetInput.model_validate(
        {"subject_type": "agent", "subject_id": agent_id, "currency": "usd", "limit": 10}
    )


async def files(registry: Registry) -> None:
    workspace = await registry.workspaces.create(WorkspaceInput(name="shared"))
    files = registry.files
    created = await files.create(workspace.id, "/a", b"text", "text", True)
    assert created.is_readonly
    copied = await files.copy(workspace.id, "/a", "/b")
    assert copied.content == b"text"
    changed = await files.update(workspace.id, "/b", b"new", None, False)
    moved = await files.move(workspace.id, "/b", "/c")
    assert moved.content == changed.content == b"new"
    written = await files.write(workspace.id, "/d", b"raw", "text")
    assert written.content == b"raw"
    assert await files.delete(workspace.id, "/c")
    left = await files.list(workspace.id, "/")
    assert [file.path for file in left] == ["/a", "/d"]


async def delete_file(registry: Registry) -> None:
    workspace = await registry.workspaces.create(WorkspaceInput(name="shared"))
    await registry.files.create(workspace.id, "/a", b"text", "text", False)
    assert await registry.files.delete(workspace.id, "/a")
    assert not await registry.files.delete(workspace.id, "/a")


@pytest.mark.parametrize(
    ("lost", "act"),
    [
        (["sessions.create"], create_session),
        (["agents.create"], create_agent),
        (["agents.copy"], copy_agent),
        (["agents.archive"], archive_agent),
        (["providers.add"], add_provider),
        (["providers.delete"], delete_provider),
        (["workspaces.create"], create_workspace),
        (["budgets.create"], create_budget),
        (["budgets.top_up"], top_up),
        (["files.create", "files.copy", "files.update", "files.move", "files.write"], files),
        (["files.delete"], files),
        (["files.delete"], delete_file),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_the_registry_has_done_is_answered_as_done(
    simulate: Callable[[Scenario], None],
    lost: list[str],
    act: Callable[[Registry], Awaitable[None]],
):
    async def scenario(cluster: Cluster, runtime: Runtime) -> None:
        await runtime.registry.agents.create(WANTED_AGENT)
        cluster.lose_answers_of += [tuple(call.split(".")) for call in lost]
        await act(runtime.registry)

    simulate(scenario)


def test_what_only_the_caller_can_judge_is_not_repeated(simulate: Callable[[Scenario], None]):
    async def scenario(cluster: Cluster, runtime: Runtime) -> None:
        talk = await Conversation.begin(runtime)
        cluster.lose_answers_of.append(("budgets", "resume_session"))
        with pytest.raises(HostLost):
            await runtime.registry.budgets.resume_session(talk.id)

    simulate(scenario)


# Of a session host


APPROVAL = {"ref": "tool_approval", "config": {"mode": "protective"}}


async def waiting(runtime: Runtime, text: str) -> tuple[Conversation, list[str]]:
    """A session that waits for somebody outside, and the ids of the calls that are open."""
    talk = await Conversation.begin(
        runtime, tools=[RING_BELL], capabilities=["kit", "ask_user", APPROVAL]
    )
    await talk.send(text)
    while (await runtime.registry.sessions.get(talk.id)).status != "waitingfortoolresults":
        await asyncio.sleep(1)
    return talk, [call.id for call in (await talk.messages())[-1].tool_calls]


async def assert_went_on_once(talk: Conversation, calls: list[str]) -> None:
    """Each call has one result, and the turn came to its end."""
    await talk.ended()
    assert (await talk.types())[-1] == "session.completed"
    assert [data["tool_call_id"] for data in await talk.data_of("tool.result")] == calls


def test_results_that_a_lost_host_has_stored_are_accepted(simulate: Callable[[Scenario], None]):
    async def scenario(cluster: Cluster, runtime: Runtime) -> None:
        talk, calls = await waiting(runtime, "ring now")
        cluster.lose_answers_of.append(("host", "take"))
        results = [{"tool_call_id": calls[0], "result": {"rung": True}}]
        given = ToolResults.model_validate({"tool_results": results})
        assert (await runtime.sessions.take(talk.id, given)).accepted == 1
        await assert_went_on_once(talk, calls)

    simulate(scenario)


def test_answers_that_a_lost_host_has_stored_are_accepted(simulate: Callable[[Scenario], None]):
    async def scenario(cluster: Cluster, runtime: Runtime) -> None:
        talk, calls = await waiting(runtime, "ask now")
        cluster.lose_answers_of.append(("host", "take"))
        answers = [{"id": "format", "other_text": "PDF"}]
        given = QuestionAnswers.model_validate({"answers": answers})
        assert (await runtime.sessions.take(talk.id, given)).accepted == 1
        await assert_went_on_once(talk, calls)

    simulate(scenario)


def test_approvals_that_a_lost_host_has_stored_are_accepted(simulate: Callable[[Scenario], None]):
    async def scenario(cluster: Cluster, runtime: Runtime) -> None:
        talk, calls = await waiting(runtime, "work now")
        cluster.lose_answers_of.append(("host", "take"))
        decisions = [{"tool_call_id": call, "decision": "reject"} for call in calls]
        given = ToolApprovals.model_validate({"decisions": decisions})
        assert (await runtime.sessions.take(talk.id, given)).accepted == 2
        await assert_went_on_once(talk, calls)
        assert cluster.paid == {}

    simulate(scenario)


def test_a_turn_that_a_lost_host_has_cancelled_counts_as_cancelled(
    simulate: Callable[[Scenario], None],
):
    async def scenario(cluster: Cluster, runtime: Runtime) -> None:
        talk, _ = await waiting(runtime, "ring now")
        cluster.lose_answers_of.append(("host", "cancel"))
        assert await runtime.sessions.cancel(talk.id)
        assert (await talk.types()).count("session.cancelled") == 1
        assert not await runtime.sessions.cancel(talk.id)

    simulate(scenario)


def test_a_cancel_that_is_repeated_ends_no_later_turn(simulate: Callable[[Scenario], None]):
    async def scenario(cluster: Cluster, runtime: Runtime) -> None:
        talk, _ = await waiting(runtime, "ring now")
        cluster.lose_answers_of.append(("host", "cancel"))
        cancelling = asyncio.ensure_future(runtime.sessions.cancel(talk.id))
        while "session.cancelled" not in await talk.types():
            await asyncio.sleep(0.001)
        await cluster.runtime("another replica").sessions.send(
            talk.id, SendMessage.model_validate({"content": "talk on"})
        )
        assert await cancelling
        assert (await talk.ended()).type == "session.completed"
        assert (await talk.types()).count("session.cancelled") == 1

    simulate(scenario)


def test_a_reminder_and_the_end_come_once_each_though_every_host_dies(
    simulate: Callable[[Scenario], None],
):
    async def scenario(cluster: Cluster, runtime: Runtime) -> None:
        talk, calls = await waiting(runtime, "ring now")
        for name in HOSTS:
            cluster.crash(name)
        await assert_went_on_once(talk, calls)
        (reminder,) = await talk.data_of("wait.reminder")
        assert (reminder["tool_call_id"], reminder["overdue"]) == (calls[0], False)
        (result,) = await talk.data_of("tool.result")
        assert result["unanswered"] == "timed_out"

    simulate(scenario)
