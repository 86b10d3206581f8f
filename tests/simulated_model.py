"""The model of a simulated cluster: what users say decides what kind of turn comes next."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

from everruns.domain.tools import ToolCall
from everruns.ids import new_id
from everruns.providers.base import ModelAnswer, ModelChunk, ModelRequest, TextDelta
from everruns.providers.model_lists import ListedModel
from everruns.runtime.summary_request import INSTRUCTIONS
from everruns.turn_failures import ContextTooLong
from tests.scripts import USAGE
from tests.simulated_processes import here

RING_BELL = {
    "name": "ring_bell",
    "description": "Ring.",
    "parameters": {"type": "object"},
    "wait": {"timeout_seconds": 30, "remind_after_seconds": 8},
}
MOST_MESSAGES = 8


class ScenarioDriver:
    """Says what the user's last message asks for; the first word is what kind of turn it is.

    ``talk``: an answer. ``work``: two calls of a tool that may not be repeated, then an answer.
    ``crash``: the end of the process, as often as the second word says, then an answer. ``ring``:
    a call of the client's tool ``ring_bell``, then an answer. ``ask``: a question, then an answer.

    It takes few messages: a conversation that goes on is compacted again and again.

    Args:
        asked: Gets what the model is asked, call by call.
        crash: Kills the process of a name.
    """

    def __init__(self, asked: list[str], crash: Callable[[str], None]) -> None:
        self._asked = asked
        self._crash = crash

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        if request.system_prompt == INSTRUCTIONS:
            async for chunk in _moments():
                yield chunk
            yield ModelAnswer(usage=USAGE)
            return
        if len(request.messages) > MOST_MESSAGES:
            raise ContextTooLong("The prompt is too long.")
        said = [message for message in request.messages if message.role == "user"]
        worked = request.messages[-1].role == "tool_result"
        self._asked.append(said[-1].text)
        kind, count, *_ = said[-1].text.split()
        if kind == "crash" and self._asked.count(said[-1].text) <= int(count):
            self._crash(here.get().name)
            await here.get().pass_border()
        async for chunk in _moments():
            yield chunk
        wanted = () if worked else tuple(_calls(kind))
        yield ModelAnswer(tool_calls=wanted, usage=USAGE)

    async def list_models(self) -> Sequence[ListedModel]:
        return []


async def _moments() -> AsyncGenerator[ModelChunk, None]:
    for word in ("One ", "moment. "):
        await asyncio.sleep(0.5)
        await here.get().pass_border()
        yield TextDelta(word)


def _calls(kind: str) -> Iterator[ToolCall]:
    match kind:
        case "work":
            for _ in range(2):
                yield ToolCall(id=new_id("call"), name="pay", arguments={"token": new_id("token")})
        case "ring":
            yield ToolCall(id=new_id("call"), name="ring_bell")
        case "ask":
            questions = [{"id": "format", "question": "Which format?", "kind": "text"}]
            yield ToolCall(id=new_id("call"), name="ask_user", arguments={"questions": questions})
        case _:
            pass
