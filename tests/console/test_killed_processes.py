"""What somebody sees whose server loses processes in the middle of an answer."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from bench.server import Server
from tests.console.conftest import Visiting
from tests.console.screens import answers, say
from tests.console.seeds import Seeds
from tests.faults.processes import Role, in_role, kill

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORDS = [f"word{number}" for number in range(60)]
# Long enough for a process to be killed in the middle.
TOKENS_PER_S = 6
# The browser notes requests that were lost, or refused until processes are back.
LOST = ("Failed to load resource", "net::ERR")
WITHIN_MS = 120_000


@pytest_asyncio.fixture(loop_scope="session")
async def cluster(server: Server) -> AsyncIterator[Seeds]:
    """The shared server in processes of its own."""
    async with Seeds(server.address) as seeds:
        yield seeds


@pytest.mark.parametrize(
    "role",
    [Role.REPLICA, Role.SESSION_ACTOR, pytest.param(Role.REGISTRY, marks=pytest.mark.long)],
)
async def test_the_answer_on_the_page_is_that_of_the_log_after_a_kill_in_its_middle(
    server: Server, cluster: Seeds, visit: Visiting, role: Role
):
    name = f"console-{role.name.lower()}"
    model = await cluster.model(name, reply=" ".join(WORDS), tokens_per_s=TOKENS_PER_S)
    session_id = await cluster.session(await cluster.agent(name, model), name)
    visited = await visit(cluster)
    visited.expect(*LOST)
    page = await visited.open(f"/sessions/{session_id}")
    await say(page, "Speak.")
    await expect(answers(page)).to_contain_text(WORDS[5])

    victims = in_role(role, server.process.children(recursive=True))
    assert victims
    kill(*victims)

    await expect(answers(page)).to_contain_text(WORDS[-1], timeout=WITHIN_MS)
    await expect(answers(page)).to_have_attribute("aria-busy", "false", timeout=WITHIN_MS)
    await expect(answers(page)).to_have_count(1)
    stored = await cluster.answers(session_id)
    assert stored == [" ".join(WORDS)]
    shown = (await answers(page).inner_text()).split()
    assert [word for word in shown if word.startswith("word")] == WORDS
    await expect(page.get_by_role("article", name="Message of the user")).to_have_count(1)
