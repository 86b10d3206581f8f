"""What a model would be shown at its next call, for people.

It is read off the request that a turn would make, so there is no second rule of what that is.

Source: docs/contract.md, "Context".
"""

from collections.abc import Mapping, Sequence

from everruns.domain.base import Page
from everruns.domain.compaction import masked
from everruns.domain.messages import Message, ToolResultPart
from everruns.domain.model_context import (
    ContextMessage,
    ContextPrompt,
    ContextTokens,
    ContextTool,
    MessageKind,
    ModelContext,
)
from everruns.domain.prompts import ContextSource
from everruns.domain.sessions import Session
from everruns.domain.state import SessionState
from everruns.domain.token_estimates import (
    conversation_tokens,
    instruction_tokens,
    message_tokens,
    text_tokens,
)
from everruns.domain.tools import ToolDefinition
from everruns.domain.transcript import Note
from everruns.runtime.compacting import request_tokens
from everruns.runtime.context import TurnContext
from everruns.runtime.offered_tools import CLIENT_SOURCE
from everruns.storage.pages import cut

Source = tuple[ContextSource, str | None]


def model_context(
    context: TurnContext, session: Session, state: SessionState, offset: int | None, limit: int
) -> ModelContext:
    """Return what a session's model would be shown at its next call.

    Args:
        context: Of the session's next step.
        session: The session.
        state: Its conversation, complete.
        offset: How many of the messages are skipped; ``None`` for the last page.
        limit: How many messages are returned at most.
    """
    request = context.request(state)
    system_prompt, tools = text_tokens(request.system_prompt), instruction_tokens("", request.tools)
    messages = conversation_tokens(request.messages)
    limits = context.model.profile.limits if context.model.profile else None
    sources = _sources(context, session)
    return ModelContext(
        model=context.model.qualified_name,
        prompts=[
            ContextPrompt(
                source=part.source,
                capability_id=part.capability_id,
                text=part.text,
                tokens=text_tokens(part.text),
            )
            for part in context.prompts
        ],
        tools=[
            *(_tool(tool, sources, listed=True) for tool in request.tools),
            *(_tool(tool, sources, listed=False) for tool in request.deferred),
        ],
        prepared_anew=[capability.id for capability, _ in context.to_prepare],
        messages=_page(request.messages, state, offset, limit),
        tokens=ContextTokens(
            system_prompt=system_prompt,
            tools=tools,
            messages=messages,
            total=system_prompt + tools + messages,
            request=request_tokens(context, state),
            room=context.room_tokens,
            limit=limits.context if limits else None,
        ),
    )


def _sources(context: TurnContext, session: Session) -> Mapping[str, Source]:
    """Return where tools come from, by their names; the server's own are left out."""
    of_session = {tool.name for tool in session.tools}
    sources: dict[str, Source] = {}
    for group in context.offered.groups:
        for name in group.tools:
            is_ours = group.source != CLIENT_SOURCE
            declared: ContextSource = "session" if name in of_session else "agent"
            sources[name] = ("capability", group.source) if is_ours else (declared, None)
    return sources


def _tool(tool: ToolDefinition, sources: Mapping[str, Source], *, listed: bool) -> ContextTool:
    source, capability_id = sources.get(tool.name, ("server", None))
    return ContextTool(
        name=tool.name,
        description=tool.description,
        parameters=tool.parameters,
        source=source,
        capability_id=capability_id,
        listed=listed,
        tokens=instruction_tokens("", [tool]),
    )


def _page(
    messages: Sequence[Message], state: SessionState, offset: int | None, limit: int
) -> Page[ContextMessage]:
    """Return a page of the messages, whose size is limited as that of every list is."""
    is_last = offset is None
    start = max(len(messages) - limit, 0) if offset is None else offset
    wanted = messages[start : start + limit]
    # The newest messages count most on the last page.
    fitting = cut(reversed(wanted) if is_last else wanted, _size_bytes)
    page = fitting[::-1] if is_last else fitting
    kinds = _Kinds(state)
    data = [
        ContextMessage(kind=kinds.of(said), tokens=message_tokens(said), message=said)
        for said in page
    ]
    offset = len(messages) - len(page) if is_last else start
    return Page.of(data, len(messages), offset, limit)


def _size_bytes(message: Message) -> int:
    return len(message.model_dump_json().encode())


class _Kinds:
    """Tells messages of a transcript apart.

    Args:
        state: The conversation that it was made of.
    """

    def __init__(self, state: SessionState) -> None:
        compaction, turn = state.compaction, state.turn
        up_to = compaction.masked_up_to_sequence if compaction else 0
        self._summary_id = compaction.id if compaction else None
        self._pending = frozenset(turn.pending if turn else ())
        self._masked = {
            said.id for said in state.history if said.sequence <= up_to and masked(said) is not said
        }

    def of(self, message: Message) -> MessageKind:
        """Return what a message of the transcript is."""
        if isinstance(message, Note):
            return "note"
        if message.id == self._summary_id:
            return "summary"
        if message.id in self._masked:
            return "masked"
        answered = {
            part.tool_call_id for part in message.content if isinstance(part, ToolResultPart)
        }
        return "pending" if answered & self._pending else "message"
