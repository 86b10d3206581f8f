"""Problems are told in our words, with the path of the field as its sender wrote it."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from everruns.domain.agents import AgentInput, AgentPatch
from everruns.domain.approvals import ToolApprovals
from everruns.domain.budgets import BudgetInput, BudgetPatch, TopUp
from everruns.domain.llm import ProviderInput, ProviderPatch
from everruns.domain.messages import SendMessage
from everruns.domain.problems import problems_of
from everruns.domain.questions import QuestionAnswers
from everruns.domain.sessions import SessionInput
from everruns.domain.tools import ToolResults
from everruns.domain.workspaces import WorkspaceInput, WorkspacePatch
from everruns.providers.simulated import SimulatedSettings

KINDS: list[type[BaseModel]] = [
    AgentInput,
    AgentPatch,
    BudgetInput,
    BudgetPatch,
    ProviderInput,
    ProviderPatch,
    QuestionAnswers,
    SendMessage,
    SessionInput,
    SimulatedSettings,
    ToolApprovals,
    ToolResults,
    TopUp,
    WorkspaceInput,
    WorkspacePatch,
]
PYDANTICS_OWN = re.compile(
    r"Input should|String should|List should|Dictionary should|Value error|Extra inputs|"
    r"Field required|Unable to|valid dictionary|instance of|regex|pattern|literal|function-|\[key\]"
)


def problems(kind: type[BaseModel], value: Any) -> list[str]:
    try:
        kind.model_validate(value, extra="forbid")
    except ValidationError as error:
        return [f"{field}: {words}" for field, words in problems_of(error, kind)]
    return []


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (AgentInput, {}, "name: is required"),
        (AgentInput, {"name": 7}, "name: must be a text"),
        (AgentInput, {"name": ""}, "name: must not be empty"),
        (AgentInput, [], ": must be an object"),
        (AgentInput, {"name": "a", "id": "x"}, "id: must be agent_ and 32 hexadecimal digits"),
        (AgentInput, {"name": "a", "tags": "x"}, "tags: must be a list"),
        (AgentInput, {"name": "a", "tags": ["x"] * 101}, "tags: must have at most 100 items"),
        (AgentInput, {"name": "a", "max_iterations": 0}, "max_iterations: must be at least 1"),
        (AgentInput, {"name": "a", "max_iterations": 1.5}, "must be a whole number"),
        (AgentInput, {"name": "a", "max_iterations": "1"}, "max_iterations: must be a number"),
        (AgentInput, {"name": "a", "parallel_tool_calls": "yes"}, "must be true or false"),
        (AgentInput, {"name": "a", "capabilities": [7]}, "capabilities.0: must be an object"),
        (
            AgentInput,
            {"name": "a", "tools": [{"name": "a b", "description": "", "parameters": {}}]},
            "tools.0.name: must be 1 to 64 letters, digits, hyphens and underscores",
        ),
        (
            AgentInput,
            {"name": "a", "controls": {"reasoning": {"effort": "huge"}}},
            "controls.reasoning.effort: must be one of none, minimal, low, medium, high, xhigh",
        ),
        (AgentInput, {"name": "a", "controls": {"top_p": 0}}, "top_p: must be greater than 0"),
        (SendMessage, {"message": {"role": "system", "content": "x"}}, "role: must be user"),
        (SendMessage, {"content": [{"type": "video"}]}, "type must be one of text, image"),
        (SendMessage, {"content": [{"text": "x"}]}, "message.content.0: needs a type"),
        (SendMessage, {"content": [{"type": "text"}]}, "message.content.0.text: is required"),
        (
            SendMessage,
            {"content": [{"type": "image", "url": "ftp://x"}]},
            "message.content.0.url: must begin with http:// or https://",
        ),
        (ProviderInput, {"name": "a", "provider_type": "x"}, "provider_type: must be one of opena"),
        (ProviderInput, {"name": "a/b", "provider_type": "openai"}, "must not have a slash (/)"),
        (
            ProviderInput,
            {"name": "a", "provider_type": "openai", "base_url": "x"},
            "base_url: must begin with http:// or https:// and a host",
        ),
        (
            ProviderInput,
            {"name": "a", "provider_type": "openai", "headers": {"a b": "c"}},
            "headers.a b: names of headers must be letters, digits and hyphens",
        ),
    ],
)
def test_a_problem_has_plain_words(kind: type[BaseModel], value: Any, words: str):
    assert any(words in problem for problem in problems(kind, value)), problems(kind, value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below),
    max_leaves=6,
)


def bodies(kind: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Return bodies with the fields of a model, and values that are mostly wrong."""
    fields = {name: JSON | st.lists(JSON, max_size=2) for name in kind.model_fields}
    parts = st.lists(
        st.fixed_dictionaries({"type": st.sampled_from(["text", "image", "x"]), "text": JSON}),
        max_size=2,
    )
    if "message" in fields:
        fields |= {"content": parts | JSON, "message": st.fixed_dictionaries({"content": parts})}
    return st.fixed_dictionaries({}, optional=fields) | JSON


@given(st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.just(kind), bodies(kind))))
def test_no_generated_value_gets_pydantics_own_words(wrong: tuple[type[BaseModel], Any]):
    kind, value = wrong

    for problem in problems(kind, value):
        names = problem.partition(": ")[0]
        assert not PYDANTICS_OWN.search(problem.removeprefix(names)), problem
