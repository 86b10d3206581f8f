"""Turns that use a scripted MCP server, in a runtime in this process."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from everruns.domain.questions import QuestionAnswers
from everruns.domain.sessions import SessionPatch
from everruns.runtime.local import LocalRuntime
from tests.conversations import Conversation
from tests.mcp_server import MODERN, Behaviour, Exchange, ScriptedServer
from tests.scripts import ScriptedDriver, Step, call, calls, local_runtime

KEY = "k" * 20
SIZE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "size": {"type": "string", "enum": ["s", "l"], "enumNames": ["small", "large"]},
        "count": {"type": "integer", "minimum": 1},
        "note": {"type": "string"},
    },
    "required": ["size", "count"],
}
FORM = {
    "f": {
        "method": "elicitation/create",
        "params": {"mode": "form", "message": "Which tea?", "requestedSchema": SIZE},
    }
}


def runtime_with(
    driver: ScriptedDriver, **settings: Any
) -> AbstractAsyncContextManager[LocalRuntime]:
    """A runtime that reaches servers on this machine."""
    return local_runtime(driver, allow_private_addresses=True, **settings)


async def begin(runtime: LocalRuntime, server: ScriptedServer, **fields: Any) -> Conversation:
    """Begin a session that has the server under the name ``shop``."""
    return await Conversation.begin(runtime, mcp_servers={"shop": {"url": server.url, **fields}})


@asynccontextmanager
async def shop(
    driver: ScriptedDriver,
    on_call: Behaviour | None = None,
    tools: list[Any] | None = None,
    **fields: Any,
) -> AsyncIterator[tuple[ScriptedServer, Conversation]]:
    """A server with sessions, and a session that has it under the name ``shop``."""
    async with ScriptedServer(on_call, tools) as server, runtime_with(driver) as runtime:
        yield server, await begin(runtime, server, **fields)


@asynccontextmanager
async def asking_shop(
    driver: ScriptedDriver, *requests: Any, **fields: Any
) -> AsyncIterator[tuple[ScriptedServer, Conversation]]:
    """The same with a server that asks so many times in the middle of a call."""
    behaviour = asking(*requests)
    async with (
        ScriptedServer(behaviour, revision=MODERN) as server,
        runtime_with(driver) as runtime,
    ):
        yield server, await begin(runtime, server, **fields)


def acts(call_id: str = "c1", **arguments: Any) -> Step:
    """An answer that calls the tool ``act`` of the server ``shop``."""
    return calls(call("mcp_shop__act", call_id, **arguments))


def names(driver: ScriptedDriver, request: int = -1) -> list[str]:
    """The tools that the model was offered in a request."""
    return [offered.name for offered in driver.requests[request].tools]


async def held(talk: Conversation, count: int = 1) -> None:
    """Wait until so many events of the log say that a call is held, or what was decided."""
    async with talk.reading() as reader:
        await reader.until(
            lambda: sum(event.type == "tool.approval" for event in reader.events) >= count
        )


async def has(talk: Conversation, **servers: dict[str, Any]) -> None:
    """Give the session other servers."""
    patch = SessionPatch.model_validate({"mcp_servers": servers})
    await talk.runtime.sessions.update(talk.id, patch)


async def change(talk: Conversation, server: ScriptedServer, **fields: Any) -> None:
    """Give the session's server other rules, at a time at which it cannot be listed."""
    server.behaviours["tools/list"] = lambda exchange: exchange.error("not now")
    # With another key, the list is not one of a moment ago.
    await has(talk, shop={"url": server.url, "headers": {"X-Key": KEY}, **fields})


def asking(*requests: Any) -> Behaviour:
    """A tool that asks so many times before it answers with what it was told."""
    left = list(requests)

    async def act(exchange: Exchange) -> None:
        params = exchange.message["params"]
        if left:
            await exchange.result(
                resultType="input_required", inputRequests=left.pop(0), requestState="st-1"
            )
        else:
            told = {"responses": params.get("inputResponses"), "state": params.get("requestState")}
            await exchange.result(content=[], structuredContent=told)

    return act


async def asked(talk: Conversation, count: int = 1) -> list[dict[str, Any]]:
    """Wait until so many sets of questions were asked; return the last."""
    async with talk.reading() as reader:
        await reader.until(
            lambda: sum(bool(event.data.get("client_side")) for event in reader.events) >= count
        )
    requests = [data for data in await talk.data_of("tool.call") if data.get("client_side")]
    return requests[-1]["tool_call"]["arguments"]["questions"]


async def answer(talk: Conversation, *answers: dict[str, Any], **fields: Any) -> None:
    """Answer the questions that were asked last."""
    given = QuestionAnswers.model_validate({"answers": answers, **fields})
    await talk.runtime.sessions.take(talk.id, given)


def reply(identity: str, text: str | None = None, *selected: str) -> dict[str, Any]:
    """One answer: text, or what was selected."""
    other = {"other_text": text} if text is not None else {}
    return {"id": identity, "selected": list(selected), **other}
