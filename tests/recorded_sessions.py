"""Sessions worth recording: each shows something that a client has to draw.

They run in this process, with the simulated provider or with a model that does what is written
here. ``tests/shared_logs.py`` keeps their logs.
"""

from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any

from everruns.capabilities.base import Capability
from everruns.domain.controls import Controls
from everruns.domain.events import TURN_ENDS
from everruns.domain.forks import ForkInput
from everruns.domain.llm import ProviderInput
from everruns.domain.messages import SendMessage
from everruns.domain.questions import Question, QuestionAnswers
from everruns.domain.sessions import SessionInput
from everruns.domain.suspensions import Suspension
from everruns.domain.tools import ToolResults
from everruns.runtime.local import LocalRuntime
from everruns.tools.base import Suspend, ToolContext
from everruns.tools.function import tool
from tests.conversations import Conversation, simulated
from tests.odd_images import png
from tests.scripts import Gate

FORMAT: dict[str, Any] = {
    "id": "format",
    "question": "Which format?",
    "options": [{"label": "PDF", "recommended": True}, {"label": "HTML", "description": "A page."}],
}
NOTE = {"id": "note", "question": "Anything else?", "kind": "text"}
SIZE = Question.model_validate(
    {"id": "size", "question": "Which size?", "options": [{"label": "small"}, {"label": "large"}]}
)
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
CLIENT_TOOLS = [
    {"name": name, "description": name, "parameters": {"type": "object"}}
    for name in ("open_door", "ring_bell")
]
PIXEL = {"type": "image", "base64": b64encode(png()).decode(), "media_type": "image/png"}
FAMILY = "👨‍👩‍👧‍👦 é 🇩🇪 naïve e\u0301 \U0001d518 \u202eabc\u202c"

Play = Callable[[LocalRuntime, Gate], Awaitable[Conversation]]


def kit(gate: Gate) -> Capability:
    """Tools that stop, suspend their call and ask."""

    @tool()
    async def work(context: ToolContext) -> str:
        """Work until the gate opens."""
        context.report_progress("half done")
        await gate.pass_through()
        return "worked"

    @tool()
    async def order(what: str, context: ToolContext) -> dict[str, Any]:
        """Order something, after the user has said which size, and a moment later."""
        if context.resumption is None:
            raise Suspend(Suspension(state="size", questions=[SIZE]))
        if context.resumption.state == "size":
            raise Suspend(Suspension(state="moment", resume_after_seconds=0.05))
        return {"ordered": what}

    @tool()
    async def ask_while_running(context: ToolContext) -> dict[str, Any]:
        """Ask the user while the call goes on."""
        assert context.ask is not None
        answers = await context.ask([SIZE], 60)
        return {"answers": dict(answers) if answers else None}

    return Capability(
        "stage", "Stage", "What a play needs.", tools=[work, order, ask_while_running]
    )


async def say(talk: Conversation, text: str, **fields: Any) -> None:
    await talk.send(text, **fields)
    await talk.ended()


async def until_waiting(talk: Conversation, count: int) -> list[str]:
    """Wait until so many calls wait; return their ids."""
    async with talk.reading() as reader:
        while True:
            session = await talk.runtime.registry.sessions.get(talk.id)
            if len(session.waiting_for) == count and session.status == "waitingfortoolresults":
                return [wait.tool_call_id for wait in session.waiting_for]
            await reader.next()


async def script(runtime: LocalRuntime, *steps: dict[str, Any], **fields: Any) -> Conversation:
    """A session whose model follows a script."""
    model = await simulated(runtime, script=list(steps))
    return await Conversation.begin(runtime, model_id=model, **fields)


def calls(*wanted: tuple[str, dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return {"tool_calls": [{"name": name, "arguments": given} for name, given in wanted], **fields}


async def answer(talk: Conversation, **fields: Any) -> None:
    await talk.runtime.sessions.take(talk.id, QuestionAnswers.model_validate(fields))


async def give(talk: Conversation, **result: Any) -> None:
    await talk.runtime.sessions.take(
        talk.id, ToolResults.model_validate({"tool_results": [result]})
    )


async def plain_answers(runtime: LocalRuntime, _gate: Gate) -> Conversation:
    talk = await script(runtime, {"reasoning": "A greeting.", "text": "Good day."})
    await say(talk, "Hello")
    await say(talk, "And again", metadata={"origin": "a test"}, tags=["second"])
    return talk


async def two_tools_of_which_one_fails(runtime: LocalRuntime, _gate: Gate) -> Conversation:
    both = calls(
        ("multiply", {"a": 6, "b": 7}), ("divide", {"a": 1, "b": 0}), text="Let me calculate."
    )
    unknown = calls(("subtract", {"a": "one"}), ("no_such_tool", {}))
    talk = await script(
        runtime, both, unknown, {"text": "42, and no answer."}, capabilities=["test_math"]
    )
    await say(talk, "What is 6 times 7, and 1 divided by 0?")
    return talk


async def approvals(runtime: LocalRuntime, _gate: Gate) -> Conversation:
    two = calls(("delete_file", {"path": "/a"}), ("delete_file", {"path": "/b"}))
    capabilities = ["session_file_system", "tool_approval"]
    talk = await script(runtime, two, {"text": "Done."}, capabilities=capabilities)
    await talk.send("Delete both")
    first, second = await until_waiting(talk, 2)
    await talk.decide(second, "reject", reason="Keep it.")
    await talk.decide(first, "allow")
    await talk.ended()
    await talk.send("And again")
    # This decides about the other call too.
    first, _second = await until_waiting(talk, 2)
    await talk.decide(first, "reject_always")
    await talk.ended()
    return talk


async def questions(runtime: LocalRuntime, _gate: Gate) -> Conversation:
    asks = calls(("ask_user", {"questions": [FORMAT, NOTE]}))
    talk = await script(runtime, asks, {"text": "Thank you."}, capabilities=["ask_user"])
    await talk.send("Write it")
    await until_waiting(talk, 1)
    given = [{"id": "format", "selected": ["HTML"]}, {"id": "note", "other_text": "In blue."}]
    await answer(talk, answers=given)
    await talk.ended()
    await talk.send("Write another one")
    await until_waiting(talk, 1)
    await answer(talk, status="declined")
    await talk.ended()
    await talk.send("And one more")
    await until_waiting(talk, 1)
    # A message in the place of answers.
    await say(talk, "Never mind")
    return talk


async def open_waits(runtime: LocalRuntime, _gate: Gate) -> Conversation:
    """It ends while two calls wait: one for a client, one for a decision; a third has a result."""
    wanted = calls(("open_door", {"number": 7}), ("ring_bell", {}), ("delete_file", {"path": "/a"}))
    talk = await script(
        runtime,
        wanted,
        {"text": "Done."},
        tools=CLIENT_TOOLS,
        capabilities=["session_file_system", "tool_approval"],
        client_tool_wait={"timeout_seconds": 3600, "on_timeout": "keep_waiting"},
    )
    await talk.send("Open the door")
    _door, bell, _file = await until_waiting(talk, 3)
    parts = [{"type": "text", "text": "Ding."}, PIXEL, {"type": "json", "value": {"rings": 2}}]
    await give(talk, tool_call_id=bell, parts=parts)
    await until_waiting(talk, 2)
    return talk


async def client_side_tools(runtime: LocalRuntime, _gate: Gate) -> Conversation:
    both = calls(("open_door", {}), ("ring_bell", {}))
    talk = await script(runtime, both, {"text": "Both done."}, tools=CLIENT_TOOLS)
    await talk.send("Do both")
    door, bell = await until_waiting(talk, 2)
    await give(talk, tool_call_id=bell, error="It is broken.")
    await give(talk, tool_call_id=door, result=None)
    await talk.ended()
    return talk


async def steering(runtime: LocalRuntime, gate: Gate) -> Conversation:
    talk = await script(runtime, calls(("work", {})), {"text": "Both."}, capabilities=["stage"])
    await talk.send("First")
    await gate.reached.wait()
    await talk.send("Second")
    gate.open()
    await talk.ended()
    return talk


async def a_retried_failure(runtime: LocalRuntime, _gate: Gate) -> Conversation:
    talk = await script(
        runtime,
        calls(("add", {"a": 1, "b": 2})),
        {"text": "It is three.", "fail": {"code": "PROVIDER_REJECTED", "after_tokens": 2}},
        capabilities=["test_math"],
    )
    await say(talk, "What is 1 + 2?")
    for reply in ("Three.", "3."):
        other = await simulated(runtime, reply=reply)
        await runtime.sessions.retry(talk.id, Controls(model_id=other), None)
        await talk.ended()
    await say(talk, "Thank you", controls={"model_id": await simulated(runtime, reply="Welcome.")})
    return talk


async def cancelled_turns(runtime: LocalRuntime, gate: Gate) -> Conversation:
    model = await simulated(runtime, tokens=1000, tokens_per_s=200)
    talk = await script(runtime, calls(("work", {})), capabilities=["stage"])
    await talk.send("Write much", controls={"model_id": model})
    async with talk.reading() as reader:
        await reader.until(lambda: len(reader.text) > 10)
        await runtime.sessions.cancel(talk.id, "Enough.")
        await reader.until_type(*TURN_ENDS)
    await talk.send("Now work")
    await gate.reached.wait()
    await runtime.sessions.cancel(talk.id)
    await talk.ended()
    return talk


async def compaction(runtime: LocalRuntime, _gate: Gate) -> Conversation:
    model = {"model_id": "simulated-1", "limits": {"context": 400}}
    words = " ".join(["word"] * 60)
    wanted = {
        "name": "tight",
        "provider_type": "simulated",
        "settings": {"reply": words, "context_tokens": 400},
        "models": [model],
    }
    await runtime.registry.providers.add(ProviderInput.model_validate(wanted))
    talk = await Conversation.begin(runtime, model_id="tight/simulated-1")
    for number in range(8):
        await say(talk, f"message {number}")
    return talk


async def structured_answers(runtime: LocalRuntime, _gate: Gate) -> Conversation:
    talk = await script(runtime, {"text": '{"town": "Paris"}'}, {"text": '{"city": "Paris"}'})
    await say(talk, "Which city?", controls={"output_schema": CITY})
    await say(talk, "Which word?", controls={"output_schema": {"type": "null"}})
    return talk


async def emoji(runtime: LocalRuntime, _gate: Gate) -> Conversation:
    talk = await script(runtime, {"text": FAMILY * 3})
    await say(talk, FAMILY)
    return talk


async def a_fork(runtime: LocalRuntime, gate: Gate) -> Conversation:
    """A fork of a session with a retry, in which the conversation goes on."""
    source = await plain_answers(runtime, gate)
    await runtime.sessions.retry(source.id, None, None)
    await source.ended()
    fork = await runtime.sessions.fork(source.id, ForkInput())
    talk = Conversation(runtime, fork)
    await say(talk, "Hello from the fork")
    return talk


async def suspended_calls(runtime: LocalRuntime, _gate: Gate) -> Conversation:
    wanted = calls(("order", {"what": "tea"}), ("ask_while_running", {}))
    talk = await script(runtime, wanted, {"text": "Ordered."}, capabilities=["stage"])
    await talk.send("Order tea")
    ordering, asking = await until_waiting(talk, 2)
    small = [{"id": "size", "selected": ["small"]}]
    await answer(talk, tool_call_id=asking, answers=small)
    await answer(talk, tool_call_id=ordering, answers=small)
    await talk.ended()
    return talk


async def attachments(runtime: LocalRuntime, _gate: Gate) -> Conversation:
    talk = await script(runtime, {"text": "A pixel and a note."})
    content = [
        {"type": "text", "text": "Look."},
        PIXEL,
        {"type": "file", "base64": "aGVsbG8=", "media_type": "text/plain", "filename": "note.txt"},
    ]
    message = {"role": "user", "content": content}
    await runtime.sessions.send(talk.id, SendMessage.model_validate({"message": message}), None)
    await talk.ended()
    return talk


async def an_import(runtime: LocalRuntime, gate: Gate) -> Conversation:
    source = await two_tools_of_which_one_fails(runtime, gate)
    wanted = SessionInput(model_id=await simulated(runtime, reply="I go on."))
    session = await runtime.registry.sessions.create(wanted, conversation=await source.messages())
    talk = Conversation(runtime, session)
    await say(talk, "Go on")
    return talk


PLAYS: dict[str, Play] = {
    play.__name__.removeprefix("a_").removeprefix("an_").replace("_", "-"): play
    for play in (
        plain_answers,
        two_tools_of_which_one_fails,
        approvals,
        questions,
        open_waits,
        client_side_tools,
        steering,
        a_retried_failure,
        cancelled_turns,
        compaction,
        structured_answers,
        emoji,
        a_fork,
        suspended_calls,
        attachments,
        an_import,
    )
}
"""What is recorded, by the name of its file."""
