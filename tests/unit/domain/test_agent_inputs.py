"""What a client may say of agents and sessions; how usage adds up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from everruns.domain.agents import AgentInput, AgentPatch
from everruns.domain.idempotency import Idempotency
from everruns.domain.sessions import SessionInput
from everruns.domain.usage import Usage
from everruns.ids import new_id

COUNTS = st.integers(0, 10**9)
MAYBE = st.none() | COUNTS
USAGES = st.builds(
    Usage,
    input_tokens=COUNTS,
    output_tokens=COUNTS,
    cache_read_tokens=MAYBE,
    cache_creation_tokens=MAYBE,
)


def test_a_capability_is_a_name_or_a_name_with_a_config():
    agent = AgentInput.model_validate(
        {"name": "a", "capabilities": ["current_time", {"ref": "web_fetch", "config": {"x": 1}}]}
    )
    assert [(used.ref, used.config) for used in agent.capabilities] == [
        ("current_time", None),
        ("web_fetch", {"x": 1}),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "x" * 2049},
        {"name": None},
        {"description": "x" * 10_241},
        {"system_prompt": "x" * (1024 * 1024 + 1)},
        {"capabilities": ["a"] * 251},
        {"capabilities": [""]},
        {"max_iterations": 0},
        {"max_iterations": 1001},
        {"id": "agent_1"},
        {"id": "session_" + "0" * 32},
        {"tools": [{"name": "no spaces allowed", "description": "", "parameters": {}}]},
        {"tags": [""]},
        {"initial_files": [{"path": "", "content": ""}]},
    ],
)
def test_an_agent_out_of_its_limits_is_refused(change):
    with pytest.raises(ValidationError):
        AgentInput.model_validate({"name": "a", **change})


def test_an_agents_limits_themselves_are_allowed():
    agent = AgentInput.model_validate(
        {
            "name": "x" * 2048,
            "description": "é" * 5120,
            "system_prompt": "x" * 1024 * 1024,
            "capabilities": ["a"] * 250,
            "max_iterations": 1000,
            "id": new_id("agent"),
            "unknown": "ignored",
        }
    )
    assert len(agent.capabilities) == 250


def test_a_patch_changes_only_what_was_sent():
    patch = AgentPatch.model_validate({"description": None, "tags": ["t"]})
    assert patch.changes() == {"description": None, "tags": ["t"]}
    assert AgentPatch.model_validate({}).changes() == {}


def test_a_patch_cannot_take_a_name_away():
    for name in (None, ""):
        with pytest.raises(ValidationError):
            AgentPatch.model_validate({"name": name})


def test_a_session_needs_nothing_and_refuses_foreign_ids():
    assert SessionInput.model_validate({}).agent_id is None
    with pytest.raises(ValidationError):
        SessionInput.model_validate({"agent_id": new_id("session")})


@given(first=USAGES, second=USAGES, third=USAGES)
def test_usage_adds_up_in_any_order(first: Usage, second: Usage, third: Usage):
    assert (first + second) + third == first + (second + third)
    assert first + second == second + first
    assert first + Usage() == first


def test_unknown_amounts_stay_unknown_only_while_all_are():
    assert (Usage() + Usage()).cache_read_tokens is None
    assert (Usage(cache_read_tokens=0) + Usage()).cache_read_tokens == 0


def test_an_idempotency_key_counts_for_its_route_and_body_and_is_not_kept():
    one = Idempotency.of("POST /a", "secret-key", b"{}")
    assert one == Idempotency.of("POST /a", "secret-key", b"{}")
    assert one.key != Idempotency.of("POST /b", "secret-key", b"{}").key
    assert one.request != Idempotency.of("POST /a", "secret-key", b"[]").request
    assert "secret-key" not in repr(one)
