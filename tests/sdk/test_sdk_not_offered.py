"""Calls of the SDK that this server does not offer: each fails with an error that says so."""

from collections.abc import Awaitable, Callable

import pytest
from everruns_sdk import ApiError, Everruns

AGENT = "agent_" + "0" * 32
SESSION = "session_" + "0" * 32
HARNESS = "harness_" + "0" * 32

Call = Callable[[Everruns], Awaitable[object]]

NOT_OFFERED: dict[str, Call] = {
    "agents.import_example": lambda sdk: sdk.agents.import_example("dad-jokes"),
    "agents.stats": lambda sdk: sdk.agents.stats(AGENT),
    "agents.analyze": lambda sdk: sdk.agents.analyze("Be brief."),
    "agents.list_versions": lambda sdk: sdk.agents.list_versions(AGENT),
    "agents.create_version": lambda sdk: sdk.agents.create_version(AGENT),
    "agents.set_default_version": lambda sdk: sdk.agents.set_default_version(AGENT, "v"),
    "agents.diff_versions": lambda sdk: sdk.agents.diff_versions(AGENT, "v", "w"),
    "agents.fork_version": lambda sdk: sdk.agents.fork_version(AGENT, "v", name="fork"),
    "agents.rollback_version": lambda sdk: sdk.agents.rollback_version(AGENT, "v"),
    "agents.list_health_checks": lambda sdk: sdk.agents.list_health_checks(AGENT),
    "agents.trigger_health_check": lambda sdk: sdk.agents.trigger_health_check(AGENT),
    "agents.get_health_check": lambda sdk: sdk.agents.get_health_check(AGENT, "run"),
    "sessions.pin": lambda sdk: sdk.sessions.pin(SESSION),
    "sessions.unpin": lambda sdk: sdk.sessions.unpin(SESSION),
    "sessions.set_secrets": lambda sdk: sdk.sessions.set_secrets(SESSION, {"key": "value"}),
    "capabilities.list_guardrail_examples": lambda sdk: sdk.capabilities.list_guardrail_examples(),
    "capabilities.dry_run_guardrails": lambda sdk: sdk.capabilities.dry_run_guardrails(
        {}, "output", "text"
    ),
    "harnesses.create": lambda sdk: sdk.harnesses.create("mine", "Be brief."),
    "harnesses.update": lambda sdk: sdk.harnesses.update(HARNESS, name="mine"),
    "harnesses.delete": lambda sdk: sdk.harnesses.delete(HARNESS),
    "harnesses.list_examples": lambda sdk: sdk.harnesses.list_examples(),
    "memories.list": lambda sdk: sdk.memories.list(),
    "memories.create": lambda sdk: sdk.memories.create("notes"),
    "memories.get": lambda sdk: sdk.memories.get("m"),
    "memories.update": lambda sdk: sdk.memories.update("m", name="notes"),
    "memories.delete": lambda sdk: sdk.memories.delete("m"),
    "memories.sync": lambda sdk: sdk.memories.sync("m"),
    "memories.list_files": lambda sdk: sdk.memories.list_files("m"),
    "memories.read_file": lambda sdk: sdk.memories.read_file("m", "a/b.md"),
    "memories.download_file": lambda sdk: sdk.memories.download_file("m", "a/b.md"),
    "memories.create_file": lambda sdk: sdk.memories.create_file("m", "a/b.md", "text"),
    "memories.create_dir": lambda sdk: sdk.memories.create_dir("m", "a"),
    "memories.update_file": lambda sdk: sdk.memories.update_file("m", "a/b.md", "text"),
    "memories.delete_file": lambda sdk: sdk.memories.delete_file("m", "a/b.md"),
    "memories.grep_files": lambda sdk: sdk.memories.grep_files("m", "text"),
    "memories.stat_file": lambda sdk: sdk.memories.stat_file("m", "a/b.md"),
    "connections.set": lambda sdk: sdk.connections.set("daytona", "key"),
    "connections.list": lambda sdk: sdk.connections.list(),
    "connections.remove": lambda sdk: sdk.connections.remove("daytona"),
}


@pytest.mark.parametrize("call", NOT_OFFERED.values(), ids=NOT_OFFERED)
async def test_a_call_that_is_not_offered_says_so(everruns: Everruns, call: Call):
    with pytest.raises(ApiError) as refusal:
        await call(everruns)

    assert (refusal.value.status_code, refusal.value.code) == (501, "NOT_IMPLEMENTED")
