"""Readers see how far a running tool is, and the log does not keep it."""

import asyncio
import threading
from typing import Any

from everruns.api.sdk.events import EVERRUNS
from everruns.domain.events import ToolProgress
from everruns.runtime.feed.cursor import Cursor
from everruns.runtime.progress import MAX_CHARACTERS
from everruns.tools.base import ToolContext
from everruns.tools.function import FunctionTool, tool
from tests.conversations import Conversation, Reader
from tests.scripts import Gate, ScriptedDriver, call, calls, local_runtime, says


def copying(gate: Gate, *texts: str) -> FunctionTool:
    @tool()
    async def copy(context: ToolContext) -> str:
        """Copy files."""
        for text in texts:
            context.report_progress(text)
        await gate.pass_through()
        return "copied"

    return copy


def progress(reader: Reader) -> list[ToolProgress]:
    return [item for item in reader.items if isinstance(item, ToolProgress)]


async def test_readers_are_shown_the_latest_progress_and_then_the_result():
    gate = Gate()
    driver = ScriptedDriver(calls(call("copy", "c1")), says("Done."))
    async with local_runtime(driver, copying(gate, "1 of 3", "2 of 3")) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("copy")
        async with talk.reading() as reader:
            await reader.until(lambda: progress(reader))
            gate.open()
            await reader.until_type("session.completed")
        (shown,) = progress(reader)
        assert shown.data == {"tool_call_id": "c1", "tool_name": "copy", "message": "2 of 3"}
        assert "tool.progress" not in await talk.types()
    order = [item.type for item in reader.items]
    assert order.index("tool.call") < order.index("tool.progress") < order.index("tool.result")


async def test_a_reader_who_comes_later_is_shown_it_and_not_twice():
    gate = Gate()
    driver = ScriptedDriver(calls(call("copy", "c1")), says("Done."))
    async with local_runtime(driver, copying(gate, "half")) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("copy")
        for cursor in (Cursor(0), Cursor()):
            async with talk.reading(cursor) as reader:
                await reader.until(lambda reader=reader: progress(reader))
        async with talk.reading() as reader:
            await reader.until(lambda: progress(reader))
            gate.open()
            await reader.until_type("session.completed")
            assert [shown.text for shown in progress(reader)] == ["half"]


async def test_a_plain_function_reports_from_its_thread():
    go_on = threading.Event()

    @tool()
    def copy(context: ToolContext) -> str:
        """Copy files."""
        context.report_progress("x" * 1000)
        assert go_on.wait(20)
        return "copied"

    driver = ScriptedDriver(calls(call("copy", "c1")), says("Done."))
    async with local_runtime(driver, copy) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("copy")
        async with talk.reading() as reader:
            await reader.until(lambda: progress(reader))
            go_on.set()
            await reader.until_type("session.completed")
        assert progress(reader)[0].text == "x" * MAX_CHARACTERS


async def test_what_a_call_reports_after_its_end_is_not_shown():
    reports: list[Any] = []

    @tool()
    async def copy(context: ToolContext) -> str:
        """Copy files."""
        reports.append(context.report_progress)
        return "copied"

    gate = Gate()
    driver = ScriptedDriver(calls(call("copy", "c1")), says("Done", gate, "."))
    async with local_runtime(driver, copy) as runtime:
        talk = await Conversation.begin(runtime, capabilities=["kit"])
        await talk.send("copy")
        await asyncio.wait_for(gate.reached.wait(), 20)
        reports[0]("too late")
        gate.open()
        async with talk.reading() as reader:
            await reader.until_type("session.completed")
        assert progress(reader) == []


def test_the_sdks_face_shows_it_under_its_own_id():
    items = [
        ToolProgress("c1", "copy", text, 4, "turn_1", 1_000 + number)
        for number, text in enumerate(["1 of 2", "2 of 2"])
    ]
    session_id = "session_" + "0" * 32
    shown, _ = EVERRUNS.begin(session_id, None).show(items)
    assert [event.type for event in shown] == ["tool.progress"] * 2
    assert [event.sequence for event in shown] == [None, None]
    assert len({event.id for event in shown}) == 2
