"""The Python of the SDK's own README, run as it is written there.

A block that is in none of the tables runs to its end; so a block of a later README is tried too.
"""

import ast
import asyncio
import inspect
import re
import sys
from collections.abc import Iterator
from importlib.metadata import metadata
from traceback import extract_tb
from typing import Any

import httpx
import pytest
from everruns_sdk import Agent, ApiError, Everruns

from bench.server import Server
from tests.waiting import PATIENCE_S

HEADING_OR_BLOCK = re.compile(
    r"^## (?P<heading>[^\n]+)$|^```python\n(?P<block>.*?)^```$", re.MULTILINE | re.DOTALL
)

IN_THE_README = "<README>"
# A program of its own.
AGENT_CLIENT = "Call your agent from code"
# These run up to a call that is not offered.
NOT_OFFERED = {
    "Harnesses & Models": "harnesses.create",
    "Agent Versions": "agents.create_version",
    "Memories": "memories.create",
}
# The SDK refuses the name in this one, without asking a server: names are slugs.
REFUSED_BY_THE_SDK = "Management Quick Start"


def blocks_of(readme: str) -> dict[str, str]:
    """The blocks of Python by the heading they stand under; further ones have a number too."""
    blocks: dict[str, str] = {}
    heading, count = "", 0
    for found in HEADING_OR_BLOCK.finditer(readme):
        if found["heading"]:
            heading, count = found["heading"], 0
        else:
            count += 1
            blocks[heading if count == 1 else f"{heading} {count}"] = found["block"]
    return blocks


BLOCKS = blocks_of(str(metadata("everruns-sdk").get_payload()))
RUN = [title for title in BLOCKS if title not in {AGENT_CLIENT, *NOT_OFFERED, REFUSED_BY_THE_SDK}]


@pytest.fixture(scope="module", autouse=True)
def simulated_by_default(server: Server) -> Iterator[None]:
    """The README names no model, so the default one answers: here one that needs no key."""
    with httpx.Client(base_url=server.address) as client:
        known = client.get("/v1/llm-providers").raise_for_status().json()["data"]
        (before,) = [provider["id"] for provider in known if provider["is_default"]]
        (simulated,) = [provider["id"] for provider in known if provider["name"] == "simulated"]

        def make_default(provider_id: str) -> None:
            change = client.patch(f"/v1/llm-providers/{provider_id}", json={"is_default": True})
            change.raise_for_status()

        make_default(simulated)
        yield
        make_default(before)


@pytest.fixture
async def assistant(everruns: Everruns) -> Agent:
    """The agent that the README calls ``agent_id`` and ``agent_...``."""
    return await everruns.agents.apply_by_name("assistant", "You are a helpful assistant.")


@pytest.fixture
async def unused(everruns: Everruns) -> Agent:
    """The agent that the README calls ``agent_123``."""
    return await everruns.agents.apply_by_name("unused", "Nobody asks you.")


@pytest.fixture
def given(everruns: Everruns, assistant: Agent, unused: Agent) -> dict[str, Any]:
    """What the README leaves open: names, and texts that stand for ids."""
    return {
        "Everruns": Everruns,
        "client": everruns,
        "agent_id": assistant.id,
        '"agent_..."': f'"{assistant.id}"',
        '"agent_123"': f'"{unused.id}"',
    }


async def run(block: str, given: dict[str, Any]) -> dict[str, Any]:
    """Run a block as if its ``await`` stood in a function; returns the names that it leaves."""
    names = {name: value for name, value in given.items() if name.isidentifier()}
    for written in given.keys() - names.keys():
        block = block.replace(written, given[written])
    code = compile(block, IN_THE_README, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = eval(code, names)
    if inspect.isawaitable(running):
        async with asyncio.timeout(PATIENCE_S):
            await running
    return names


async def run_program(program: str) -> tuple[int | None, str]:
    """Run a program in a process of its own; returns its exit code and all that it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, printed.decode()


def test_the_tables_speak_of_blocks_that_are_there():
    assert {AGENT_CLIENT, *NOT_OFFERED, REFUSED_BY_THE_SDK} <= BLOCKS.keys()
    assert len(BLOCKS) == str(metadata("everruns-sdk").get_payload()).count("```python")


@pytest.mark.parametrize("title", RUN)
async def test_a_block_of_the_readme_runs_as_written(title: str, given: dict[str, Any]):
    left = await run(BLOCKS[title], given)

    async with left["client"] as client:
        assert await client.models.list()


@pytest.mark.parametrize("title", NOT_OFFERED)
async def test_a_block_of_the_readme_runs_up_to_what_is_not_offered(
    title: str, given: dict[str, Any]
):
    with pytest.raises(ApiError) as refusal:
        await run(BLOCKS[title], given)

    assert (refusal.value.status_code, refusal.value.code) == (501, "NOT_IMPLEMENTED")
    (reached,) = [at for at in extract_tb(refusal.tb) if at.filename == IN_THE_README]
    line = BLOCKS[title].splitlines()[(reached.lineno or 0) - 1]
    assert f"client.{NOT_OFFERED[title]}(" in line


async def test_an_agent_is_called_from_code(
    server: Server, assistant: Agent, monkeypatch: pytest.MonkeyPatch
):
    channel = f"{server.address}/api/v1/channels/{assistant.name}"
    monkeypatch.setenv("EVERRUNS_AGENT_URL", channel)
    monkeypatch.setenv("EVERRUNS_AGENT_KEY", "evr_nobody_asks")

    exit_code, printed = await run_program(BLOCKS[AGENT_CLIENT])

    assert exit_code == 0, printed
    assert "What is the status of order 42?" in printed  # The simulated model repeats it.
    assert re.search(r"^evt_\S+ 3600$", printed, re.MULTILINE)


async def test_the_quick_start_runs_under_a_name_that_the_sdk_takes(everruns: Everruns):
    as_written = BLOCKS[REFUSED_BY_THE_SDK]
    exit_code, printed = await run_program(as_written)
    assert exit_code == 1
    assert "ValueError: agent_name must match pattern" in printed

    exit_code, printed = await run_program(as_written.replace('"Assistant"', '"assistant"'))

    assert exit_code == 0, printed
    (session, *_) = await everruns.sessions.list()
    asked, answered = await everruns.messages.list(session.id)
    assert asked.content[0].text == "Hello!"
    assert str(answered.content[0].text) in printed


async def test_initial_files_are_in_the_workspace(everruns: Everruns, given: dict[str, Any]):
    left = await run(BLOCKS["Initial Files"], given)

    async with left["client"]:
        session = await everruns.sessions.get(left["session"].id)
    readme = await everruns.workspace_files.read(str(session.workspace_id), "workspace/README.md")
    assert (readme.content, readme.is_readonly) == ("# Demo Project\n", True)


async def test_a_session_runs_on_the_agent_that_it_names(given: dict[str, Any]):
    left = await run(BLOCKS["Agent Harness"], given)

    assert left["session"].agent_id == left["agent"].id


async def test_an_agent_is_deleted_and_another_changed_for_a_reason(
    everruns: Everruns, given: dict[str, Any], unused: Agent
):
    await run(BLOCKS["Change Reasons"], given)

    assert unused.id not in {agent.id for agent in await everruns.agents.list()}
    changed = await everruns.agents.get(given["agent_id"])
    assert changed.system_prompt == "You are concise."


async def test_a_workspace_keeps_the_file_that_is_written_to_it(given: dict[str, Any]):
    left = await run(BLOCKS["Workspaces"], given)

    assert left["file"].content == "# Welcome\n"
    assert "/notes/welcome.md" in {file.path for file in left["files"]}
