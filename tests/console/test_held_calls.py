"""Calls that wait for somebody's decision, in one tab and in two."""

import pytest
from playwright.async_api import Page, expect

from tests.console.conftest import Visiting
from tests.console.screens import answers, request, tool_call
from tests.console.seeds import Seeds

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLS = [
    {"name": "delete_file", "arguments": {"path": "/first.md"}},
    {"name": "delete_file", "arguments": {"path": "/second.md"}},
]


@pytest.fixture
def waits_for_two() -> list[dict]:
    """A model that wants to delete two files at once."""
    return [{"tool_calls": CALLS}, {"text": "That is done."}]


async def held_session(seeds: Seeds, script: list[dict]) -> str:
    model = await seeds.model("acting", script=script)
    agent = await seeds.agent("clerk", model, "session_file_system", "tool_approval")
    session_id = await seeds.session(agent)
    await seeds.say(session_id, "Tidy up.")
    await seeds.until(session_id, "waitingfortoolresults")
    return session_id


async def press(page: Page, path: str, button: str) -> None:
    held = request(page, "delete_file").filter(has_text=path)
    await held.get_by_role("button", name=button).first.click()


async def test_two_held_calls_are_decided_one_by_one_and_a_second_tab_follows(
    seeds: Seeds, visit: Visiting, waits_for_two: list[dict]
):
    session_id = await held_session(seeds, waits_for_two)
    visited = await visit(seeds)
    page = await visited.open(f"/sessions/{session_id}")
    other = await visited.open(f"/sessions/{session_id}")
    await expect(request(page, "delete_file")).to_have_count(2)
    await expect(request(other, "delete_file")).to_have_count(2)

    await press(page, "/first.md", "Allow")
    for tab in (page, other):
        await expect(request(tab, "delete_file")).to_have_count(1)
        await expect(request(tab, "delete_file")).to_contain_text("/second.md")
    await page.reload()
    await expect(request(page, "delete_file")).to_have_count(1)
    await press(page, "/second.md", "Reject")

    for tab in (page, other):
        await expect(answers(tab).filter(has_text="That is done.")).to_be_visible()
        await expect(request(tab, "delete_file")).to_have_count(0)
        await expect(tool_call(tab, "delete_file").first).to_contain_text("Allowed")
        await expect(tool_call(tab, "delete_file").last).to_contain_text("Rejected")
    decisions = [line for line in visited.requests if line.endswith("/tool-approvals")]
    assert len(decisions) == 2
    log = await seeds.get(f"/v1/sessions/{session_id}/events/list", limit=1000)
    decided = [event["data"] for event in log["data"] if event["type"] == "tool.approval"]
    assert [data["status"] for data in decided if data["status"] != "requested"] == [
        "allowed",
        "rejected",
    ]


async def test_a_held_call_is_decided_by_a_key_on_its_card(
    seeds: Seeds, visit: Visiting, waits_for_two: list[dict]
):
    session_id = await held_session(seeds, waits_for_two)
    page = await (await visit(seeds)).open(f"/sessions/{session_id}")

    await request(page, "delete_file").filter(has_text="/second.md").press("r")

    await expect(request(page, "delete_file")).to_have_count(1)
    await expect(tool_call(page, "delete_file").last).to_contain_text("Rejected")


async def test_a_question_is_answered_where_it_is_asked(seeds: Seeds, visit: Visiting):
    question = {
        "id": "format",
        "question": "Which format?",
        "options": [{"label": "PDF"}, {"label": "HTML"}],
    }
    call = {"name": "ask_user", "arguments": {"questions": [question]}}
    model = await seeds.model("asking", script=[{"tool_calls": [call]}, {"text": "Printed."}])
    session_id = await seeds.session(await seeds.agent("printer", model, "ask_user"))
    await seeds.say(session_id, "Print it.")
    page = await (await visit(seeds)).open(f"/sessions/{session_id}")

    form = page.get_by_role("form", name="Questions to you")
    await form.get_by_role("group", name="Which format?").get_by_label("HTML").check()
    await form.get_by_role("button", name="Answer", exact=True).click()

    await expect(answers(page).filter(has_text="Printed.")).to_be_visible()
    await expect(tool_call(page, "ask_user")).to_contain_text("HTML")
    await expect(form).to_have_count(0)
