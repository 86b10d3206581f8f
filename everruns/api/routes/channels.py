"""Routes of channels: one agent, called by an application for itself and for its users.

Each agent has one channel, addressed by the agent's id or name. Through it a caller reaches only
the sessions that it created there.

Source: docs/contract.md, "Channels"; the Agent Execution API of Everruns.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import orjson
from fastapi import Depends, Header, Path, Query, Request, Response
from pydantic import Field

from everruns.api.http.answers import answer
from everruns.api.http.parameters import DEFAULT_LIMIT, Limit, TheRuntime, runtime_of
from everruns.api.http.reads import Reads
from everruns.api.http.requests import id_of, read_body, read_key
from everruns.api.http.routes import Routes
from everruns.api.http.senders import TheGrant
from everruns.api.routes.messages import MESSAGE, send_message
from everruns.api.routes.sessions import NOTHING, cancel_session
from everruns.api.routes.tool_results import (
    answer_questions,
    decide_tool_calls,
    submit_tool_results,
)
from everruns.domain.agents import Agent
from everruns.domain.base import KIB, Model, Name
from everruns.domain.forms import PAGE_TOKEN, PRINTABLE
from everruns.domain.messages import Message, SendMessage
from everruns.domain.sessions import Caller, Session, SessionInput
from everruns.domain.waits import DeciderKind, Wait
from everruns.errors import AgentNotFound, SessionNotFound
from everruns.ids import is_id, parse_time
from everruns.storage.sessions import SessionQuery

LONGEST_NAME = 2 * KIB
CHANNEL = "/channels/{channel}"
SESSIONS = f"{CHANNEL}/sessions"
SESSION = f"{SESSIONS}/{{session_id}}"

routes = Routes("channels")

Channel = Annotated[str, Path(description="Id or name of an agent.")]
END_USER = Header(
    alias="End-User",
    pattern=PRINTABLE,
    description="End user on whose behalf the application calls; any name will do.",
)
EndUser = Annotated[str | None, END_USER]
PageToken = Annotated[
    str | None,
    Query(
        pattern=PAGE_TOKEN,
        description="The `next_page_token` of the previous page.",
    ),
]


class ChannelSessionInput(Model):
    """Creates a session of the channel's agent."""

    title: Name | None = None


class PendingQuestions(Model):
    """Open questions of the agent, or of a tool that it called."""

    tool_call_id: str
    questions: list[dict[str, Any]]
    expires_at: str | None = None


class PendingApproval(Model):
    """A tool call that is held until somebody allows or rejects it."""

    tool_call_id: str
    tool_name: str
    arguments: dict[str, Any]
    expires_at: str | None = None
    decided_by: DeciderKind


class ChannelSession(Session):
    """A session with its open questions and approvals."""

    pending_questions: list[PendingQuestions] = Field(default_factory=list[PendingQuestions])
    pending_approvals: list[PendingApproval] = Field(default_factory=list[PendingApproval])


class ChannelSessions(Model):
    """One page of a caller's sessions."""

    data: list[Session]
    next_page_token: str | None = Field(
        description="Token of the next page; null on the last page."
    )


class AcceptedInput(Model):
    """Parts that a message to the agent may have."""

    text: bool = True
    images: bool = True
    files: bool = True


class Credential(Model):
    """A credential that opens the channel, as `Authorization: Bearer …`."""

    type: Literal["agent_key"] = "agent_key"


class Links(Model):
    """Links to related resources."""

    sessions: str


class AgentCard(Model):
    """What a caller can know about an agent."""

    name: str
    description: str | None = None
    streaming: bool = True
    input: AcceptedInput = AcceptedInput()
    auth: list[Credential] = Field(description="Empty if no credential is required.")
    conversation_starters: list[str] = Field(default_factory=list)
    links: Links


async def _agent(channel: Channel, request: Request, runtime: TheRuntime) -> Agent:
    agents = runtime.agents
    if is_id(channel, "agent"):
        return await agents.get(channel)
    if len(channel) > LONGEST_NAME:
        raise AgentNotFound("No agent has a name this long")
    agent = await agents.get_by_name(channel)
    # The agent's id and name address one channel, so they share their Idempotency-Keys.
    request.path_params["channel"] = agent.id
    return agent


TheAgent = Annotated[Agent, Depends(_agent)]


async def _caller(agent: TheAgent, grant: TheGrant, end_user: EndUser = None) -> Caller:
    # An access token of an end user needs no header, and opens for nobody else.
    bound = grant.end_user if grant is not None else None
    return Caller(agent.id, (end_user if bound is None else bound) or "")


TheCaller = Annotated[Caller, Depends(_caller)]


async def _own_session(request: Request, caller: TheCaller) -> Session:
    session_id = id_of(request, "session")
    session = await runtime_of(request).sessions.get(session_id)
    if not caller.owns(session):
        # The same error as for a missing session, so that its existence is not revealed.
        raise SessionNotFound(f"Session {session_id} not found")
    return session


OwnSession = Annotated[Session, Depends(_own_session)]
OWN_SESSION = [Depends(_own_session)]


@routes.add(f"GET {CHANNEL}", "read")
async def get_card(request: Request, agent: TheAgent) -> AgentCard:
    """Read the agent's card: its description, accepted input and credentials."""
    prefix = request.scope["path"].partition("/channels/")[0]
    asks_for_keys = request.app.state.settings.auth == "api_keys"
    return AgentCard(
        name=agent.display_name or agent.name,
        description=agent.description,
        auth=[Credential()] if asks_for_keys else [],
        links=Links(sessions=f"{prefix}/channels/{agent.id}/sessions"),
    )


@routes.add(
    f"POST {SESSIONS}",
    "create_sessions",
    name="create_channel_session",
    status_code=201,
    response_model=Session,
    reads=Reads(
        ChannelSessionInput, {"titled": {"title": "First talk"}}, is_required=False, is_keyed=True
    ),
)
async def create_session(request: Request, caller: TheCaller) -> Response:
    """Create a session of the caller."""
    wanted = await read_body(request, ChannelSessionInput, NOTHING)
    key = await read_key(request, str(caller))
    create = runtime_of(request).sessions.create
    of_agent = SessionInput(agent_id=caller.agent_id, title=wanted.title)
    return answer(await create(of_agent, key, caller=caller))


@routes.add(f"GET {SESSIONS}", "read", name="list_channel_sessions", response_model=ChannelSessions)
async def list_sessions(
    caller: TheCaller,
    grant: TheGrant,
    runtime: TheRuntime,
    limit: Limit = DEFAULT_LIMIT,
    page_token: PageToken = None,
) -> Response:
    """List the caller's sessions, newest first."""
    place = _place(page_token)
    query = SessionQuery(caller=caller, within=grant, older_than=place, limit=limit)
    page = await runtime.sessions.list(query)
    has_more = page.total > len(page.data)
    # Present on the last page too, because callers look it up.
    token = _token(page.data[-1]) if has_more else None
    shown = {
        "data": [_without_servers(session).wire() for session in page.data],
        "next_page_token": token,
    }
    return Response(orjson.dumps(shown), media_type="application/json")


def _token(last: Session) -> str:
    return f"{parse_time(last.created_at)}.{last.id}"


def _place(token: str | None) -> tuple[int, str] | None:
    if token is None:
        return None
    ms, _, session_id = token.partition(".")
    return int(ms), session_id


@routes.add(f"GET {SESSION}", "read", name="get_channel_session", reads=Reads(ids=["session"]))
async def get_session(session: OwnSession, runtime: TheRuntime) -> ChannelSession:
    """Read a session of the caller with its open questions and approvals."""
    shown = _without_servers(await runtime.sessions.with_waits(session))
    return ChannelSession.model_validate({**dict(shown), **_pending(shown.waiting_for)})


def _without_servers(session: Session) -> Session:
    """Return a session without its MCP servers, which are nothing for end users to see."""
    return session.model_copy(update={"mcp_servers": {}})


def _pending(waits: Sequence[Wait]) -> dict[str, Any]:
    return {
        "pending_questions": [
            PendingQuestions(
                tool_call_id=wait.tool_call_id,
                questions=(wait.arguments or {}).get("questions", []),
                expires_at=wait.expires_at,
            )
            for wait in waits
            if wait.type == "question"
        ],
        "pending_approvals": [
            PendingApproval(
                tool_call_id=wait.tool_call_id,
                tool_name=wait.name,
                arguments=wait.arguments or {},
                expires_at=wait.expires_at,
                decided_by=wait.decided_by or "end_user",
            )
            for wait in waits
            if wait.type == "approval"
        ],
    }


of_session = Routes("channels", dependencies=OWN_SESSION)
of_session.add(
    f"POST {SESSION}/messages",
    "send",
    name="send_channel_message",
    status_code=201,
    response_model=Message,
    reads=Reads(SendMessage, {"message": MESSAGE}, ids=["session"], is_keyed=True),
)(send_message)
of_session.add(f"POST {SESSION}/cancel", "send", name="cancel_channel_session")(cancel_session)
of_session.add(f"POST {SESSION}/tool-results", "run_tools", name="submit_channel_tool_results")(
    submit_tool_results
)
of_session.add(f"POST {SESSION}/question-answers", "answer", name="answer_channel_questions")(
    answer_questions
)
of_session.add(f"POST {SESSION}/tool-approvals", "decide", name="decide_channel_tool_calls")(
    decide_tool_calls
)
