"""Looking things up in messages that a compaction has replaced.

No agent chooses it: it comes with the first compaction of a session.
"""

from typing import Annotated, Any

from pydantic import Field

from everruns.capabilities.base import Capability
from everruns.domain.compaction import SEARCH_HISTORY
from everruns.tools.base import ToolContext, ToolError
from everruns.tools.function import tool


@tool(name=SEARCH_HISTORY, repeatable=True)
async def search_history(
    context: ToolContext,
    query: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=200,
            description="Words that a message must hold, all of them, ignoring case.",
        ),
    ] = None,
    before_sequence: Annotated[
        int | None,
        Field(ge=1, description="With query: only messages before this one, to search on."),
    ] = None,
    around_sequence: Annotated[
        int | None,
        Field(ge=1, description="Instead of query: a message to read, with its neighbours."),
    ] = None,
    offset: Annotated[
        int | None,
        Field(ge=0, description="With around_sequence: characters of the message to skip."),
    ] = None,
) -> dict[str, Any]:
    """Look up earlier messages and tool results of this conversation that you can no longer see.

    Give either query or around_sequence.
    """
    if (query is None) == (around_sequence is None):
        raise ToolError("Give either query or around_sequence.")
    if context.history is None:
        raise ToolError("You can see the whole conversation.")
    if around_sequence is not None:
        return await context.history.around(around_sequence, offset or 0)
    return await context.history.search(query or "", before_sequence)


SEARCH_COMPACTED = Capability(
    id=SEARCH_HISTORY,
    name="History search",
    description="Lets the agent look up what a compaction has replaced.",
    icon="search",
    tools=[search_history],
)
