"""Agents as documents: what is written reads back, and what people write is understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.domain.agent_documents import addressed, read_document, write_document
from everruns.domain.agents import Agent, AgentInput
from everruns.domain.slugs import MAX_SLUG, SLUG, is_slug
from everruns.errors import InvalidRequest
from everruns.ids import GENERIC_HARNESS_ID, format_time, new_id

MARKDOWN = """---
name: clerk
description: Adds things up.
tags: [demo]
capabilities:
- test_math
- ref: web_fetch
  config:
    timeout_s: 5
---
You are a clerk.

---

Be careful.
"""

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NAMES = TEXTS.filter(bool)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=3)
CAPABILITIES = st.fixed_dictionaries(
    {"ref": NAMES.map(lambda text: text[:256])}, optional={"config": st.none() | OBJECTS}
)
SCHEMAS = st.fixed_dictionaries(
    {"type": st.just("object")},
    optional={
        "properties": st.dictionaries(
            TEXTS, st.fixed_dictionaries({"description": TEXTS, "default": VALUES}), max_size=3
        ),
    },
)
WAITS = st.fixed_dictionaries(
    {},
    optional={
        "timeout_seconds": st.just("never") | st.integers(100, 31_536_000),
        "remind_after_seconds": st.just("never") | st.integers(1, 99),
        "on_timeout": st.sampled_from(["error", "keep_waiting"]),
    },
)
TOOLS = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True),
        "description": TEXTS,
        "parameters": SCHEMAS,
    },
    optional={
        "type": st.just("client_side"),
        "policy": st.sampled_from(["auto", "requires_approval"]),
        "wait": st.none() | WAITS,
        "decided_by": st.none() | st.sampled_from(["end_user", "operator"]),
        "display_name": st.none() | TEXTS,
        "category": st.none() | TEXTS,
    },
)
FILES = st.fixed_dictionaries(
    {"path": NAMES, "content": TEXTS},
    optional={"encoding": st.sampled_from(["text", "base64"]), "is_readonly": st.booleans()},
)
CONTROLS = st.fixed_dictionaries(
    {},
    optional={
        "reasoning": st.fixed_dictionaries({"effort": st.sampled_from(["none", "high"])}),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1, exclude_min=True),
        "max_output_tokens": st.integers(1, 10_000_000),
        "stop": st.lists(NAMES.map(lambda text: text[:256]), min_size=1, max_size=4),
        "seed": st.integers(0, 2**31 - 1),
    },
)
INPUTS = st.fixed_dictionaries(
    {"name": st.from_regex(SLUG, fullmatch=True).filter(lambda name: len(name) <= MAX_SLUG)},
    optional={
        "display_name": st.none() | NAMES,
        "description": st.none() | TEXTS,
        "system_prompt": TEXTS | TEXTS.map("---\n{}\n---\n".format),
        "default_model_id": st.none() | NAMES,
        "controls": st.none() | CONTROLS,
        "tags": st.lists(NAMES.map(lambda text: text[:256]), max_size=4),
        "capabilities": st.lists(CAPABILITIES, max_size=3),
        "tools": st.lists(TOOLS, max_size=2),
        "client_tool_wait": st.none() | WAITS,
        "max_iterations": st.none() | st.integers(1, 1000),
        "parallel_tool_calls": st.none() | st.booleans(),
        "initial_files": st.lists(FILES, max_size=2),
    },
).map(AgentInput.model_validate)


def stored(wanted: AgentInput) -> Agent:
    now = format_time(0)
    return Agent.model_validate(
        {
            **dict(wanted),
            "id": new_id("agent"),
            "harness_id": GENERIC_HARNESS_ID,
            "created_at": now,
            "updated_at": now,
        }
    )


def read(text: str) -> AgentInput:
    return AgentInput.model_validate(addressed(read_document(text)))


@given(INPUTS)
def test_an_exported_agent_is_imported_as_the_same(wanted: AgentInput):
    assert read(write_document(stored(wanted))) == wanted


def test_a_document_holds_what_was_decided_and_nothing_else():
    agent = AgentInput.model_validate(
        {"name": "clerk", "capabilities": ["noop"], "system_prompt": "You are a clerk."}
    )

    assert write_document(stored(agent)) == (
        "---\nname: clerk\ncapabilities:\n- noop\n---\nYou are a clerk."
    )


def test_a_prompt_with_white_space_around_it_is_a_field():
    agent = AgentInput(name="clerk", system_prompt=" one\n")

    assert write_document(stored(agent)) == "---\nname: clerk\nsystem_prompt: |2\n   one\n---\n"


def test_markdown_names_its_fields_above_the_prompt():
    agent = read(MARKDOWN)

    assert (agent.name, agent.description, agent.tags) == ("clerk", "Adds things up.", ["demo"])
    assert [(used.ref, used.config) for used in agent.capabilities] == [
        ("test_math", None),
        ("web_fetch", {"timeout_s": 5}),
    ]
    assert agent.system_prompt == "You are a clerk.\n\n---\n\nBe careful."


@pytest.mark.parametrize("text", ["\n" + MARKDOWN, MARKDOWN.replace("\n", "\r\n")])
def test_blank_lines_before_and_other_line_ends_make_no_difference(text: str):
    agent = read(text)

    assert (agent.name, agent.tags) == ("clerk", ["demo"])


@pytest.mark.parametrize(
    "text",
    [
        "name: clerk\nsystem_prompt: |\n  Add.\n",
        "---\nname: clerk\nsystem_prompt: |\n  Add.\n",
        "# A clerk.\n\nsystem_prompt: 'Add.\n\n  '\nname: clerk",
    ],
)
def test_yaml_alone_names_all_fields(text: str):
    assert read(text) == AgentInput(name="clerk", system_prompt="Add.\n")


@pytest.mark.parametrize(
    "text",
    [
        "You are a clerk: add what you are told.\n",
        "# Clerk\n\nYou add things.",
        "names: one and two\n",
        "- one\n- two",
    ],
)
def test_any_other_text_is_a_prompt(text: str):
    agent = read(text)

    assert agent.system_prompt == text.strip()
    assert is_slug(agent.name)


def test_an_agent_of_plain_text_is_named_from_it():
    one, same, other, nameless = map(
        read, ["You are a clerk.\nAdd.", "You are a clerk.\nAdd.\n", "You are a clerk.", "你好"]
    )

    assert one.name.startswith("you-are-a-clerk-")
    assert one.name == same.name
    assert other.name.startswith("you-are-a-clerk-")
    assert other.name != one.name
    assert nameless.name.startswith("agent-")


def test_a_name_for_people_becomes_the_display_name():
    agent = read("---\nname: Dad Jokes Agent\n---\nJoke.")

    assert (agent.name, agent.display_name) == ("dad-jokes-agent", "Dad Jokes Agent")


def test_a_display_name_that_is_there_stays():
    agent = read("---\nname: Dad Jokes\ndisplay_name: Dad\n---\nJoke.")

    assert (agent.name, agent.display_name) == ("dad-jokes", "Dad")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" \n", "body: there is no text to import"),
        ("---\nname: a\ntags: [\n---\nx", "YAML, line 4: "),
        ("---\n- a\n---\nx", "YAML: must be fields and values"),
        ("---\nname: a\nsystem_prompt: x\n---\ny", "system_prompt: is given twice"),
    ],
)
def test_a_document_that_makes_no_sense_is_refused(text: str, reason: str):
    with pytest.raises(InvalidRequest) as refusal:
        read_document(text)

    assert refusal.value.message.startswith(reason)
