"""What capabilities found, as the log tells it."""

from hypothesis import given
from hypothesis import strategies as st

from everruns.domain.prepared import (
    Prepared,
    PreparedTool,
    apply_changes,
    changed_tools,
    find_changes,
)
from everruns.domain.tools import ToolDefinition

words = st.sampled_from(["a", "b", "c"])


@st.composite
def tools(draw: st.DrawFn) -> PreparedTool:
    definition = ToolDefinition(
        type="builtin",
        name=draw(words),
        description=draw(words),
        parameters={"type": "object", "default": None},
    )
    reference = draw(st.sampled_from([None, 1, (1, 2), {"k": None}]))
    return PreparedTool(definition=definition, repeatable=draw(st.booleans()), reference=reference)


prepared = st.builds(
    Prepared,
    prompt=st.none() | words,
    tools=st.lists(tools(), max_size=3),
    notes=st.lists(words, max_size=2),
)
found = st.dictionaries(words, prepared, max_size=3)


@given(st.lists(found, max_size=5))
def test_the_changes_in_the_log_lead_to_what_was_found(rounds: list[dict[str, Prepared]]):
    known: dict[str, Prepared] = {}
    for now in rounds:
        changes = find_changes(known, now)
        known = apply_changes(known, changes or {})
        assert {name: one.model_dump(mode="json") for name, one in known.items()} == {
            name: one.model_dump(mode="json") for name, one in now.items()
        }
        assert find_changes(known, now) is None


@given(found, st.sampled_from(["prompt", "notes"]))
def test_what_has_changed_besides_the_tools_is_written_without_them(
    known: dict[str, Prepared], field: str
):
    other = {"prompt": "x", "notes": ["x"]}[field]
    now = {name: one.model_copy(update={field: other}) for name, one in known.items()}
    changes = find_changes(known, now) or {}
    assert changes.keys() <= {"prompts" if field == "prompt" else "notes"}


def test_an_event_from_before_prompts_were_written_alone_is_still_read():
    known = {"kit": Prepared(prompt="Old.", notes=["away"])}
    offered = {"kit": Prepared(prompt="New.").model_dump(mode="json")}
    assert apply_changes(known, {"offered": offered}) == {"kit": Prepared(prompt="New.")}


@given(found, found)
def test_a_tool_has_changed_if_anything_of_it_has(
    before: dict[str, Prepared], after: dict[str, Prepared]
):
    changed = changed_tools(before, after)
    assert changed == changed_tools(after, before)
    assert not changed_tools(before, before)
    names = {
        tool.definition.name for one in (before, after) for p in one.values() for tool in p.tools
    }
    assert changed <= names
    if not changed:
        assert {name: p.tools for name, p in before.items() if p.tools} == {
            name: p.tools for name, p in after.items() if p.tools
        }
