"""Asking a person for consent in a conversation: a question with the address to open.

The call is suspended until the person is back, and then goes on where it stood.
"""

from typing import Any

from everruns.domain.mcp_authorizations import (
    CONNECTED,
    DECLINED,
    QUESTION_ID,
    AskedBy,
    Subject,
)
from everruns.domain.mcp_servers import McpAccount
from everruns.domain.prepared import Prepared, PreparedTool
from everruns.domain.questions import Option, Question
from everruns.domain.suspensions import Suspension
from everruns.domain.tools import ToolDefinition
from everruns.errors import EverrunsError
from everruns.mcp.authorization import Authorizations
from everruns.mcp.failures import McpFailure, NotAuthorized
from everruns.mcp.names import tool_name
from everruns.mcp.offer import identity
from everruns.tools.base import Resumption, Suspend, ToolContext

MAX_ROUNDS = 5
_TOOL = "connect"


def connect_offer(account: McpAccount, subject: Subject, timeout_s: float) -> Prepared:
    """Return what is offered of a server whose tools nobody may list yet: a way to connect.

    Args:
        account: The server.
        subject: Who would have to consent.
        timeout_s: Seconds after which a call times out.

    Raises:
        McpFailure: There is nobody to ask in this conversation.
    """
    if subject.is_application:
        raise McpFailure(nobody_to_ask(account))
    tool = PreparedTool(
        definition=ToolDefinition(
            type="builtin",
            name=tool_name(account.name, _TOOL),
            description=(
                f"Connects the user's account at {account.name}. Its tools can be used only after "
                "that. Call this when they are needed: the user is shown where to consent, and "
                "the tools are there when this returns."
            ),
            parameters={"type": "object", "properties": {}, "additionalProperties": False},
        ),
        repeatable=True,
        timeout_s=timeout_s,
        reference={_TOOL: True, "server": identity(account)},
    )
    return Prepared(tools=[tool])


def is_connect(tool: PreparedTool) -> bool:
    """Tell whether a tool is the one that connects a server."""
    return bool(tool.reference.get(_TOOL))


def nobody_to_ask(account: McpAccount) -> str:
    """Return why a server cannot be used in a conversation without an end user."""
    return (
        f"the MCP server {account.name} is not connected. This conversation has no end user who "
        "could consent; an operator can connect the application itself with "
        f"POST /v1/mcp-servers/{account.id}/authorizations"
    )


async def ask(
    account: McpAccount,
    subject: Subject,
    authorizations: Authorizations,
    context: ToolContext,
    needed: NotAuthorized,
    *,
    repeatable: bool,
) -> Suspend:
    """Return the suspension that asks a person for consent.

    Args:
        account: The server.
        subject: Who is asked.
        authorizations: Begins the consent.
        context: The call; what it goes on with is kept.
        needed: What the server wants.
        repeatable: Whether the run with which the call goes on can safely run twice.

    Raises:
        McpFailure: Nobody can be asked, or asking has not helped.
    """
    if subject.is_application:
        raise McpFailure(f"Not called: {nobody_to_ask(account)}.")
    rounds = _rounds(context.resumption)
    if rounds >= MAX_ROUNDS:
        raise McpFailure(
            f"The MCP server {account.name} is still not authorized after {rounds} attempts."
        )
    asked_by = AskedBy(context.session_id, context.call_id)
    try:
        consent = await authorizations.begin(account.id or "", subject, asked_by, needed.scope)
    except EverrunsError as error:
        raise McpFailure(error.message) from None
    more = " more" if needed.scope else ""
    question = Question(
        id=QUESTION_ID,
        question=(
            f"{account.name} needs{more} consent to act for you. Open "
            f"{consent.authorization_url} and come back."
        ),
        options=[Option(label=CONNECTED), Option(label=DECLINED)],
    )
    kept: dict[str, Any] = {QUESTION_ID: rounds + 1}
    if (goes_on_with := before(context.resumption)) is not None:
        kept["before"] = {"state": goes_on_with.state, "answers": goes_on_with.answers}
    try:
        return Suspend(Suspension(state=kept, questions=[question], repeatable=repeatable))
    except ValueError:
        raise McpFailure(f"The call of {account.name} has more to keep than can be kept.") from None


def is_refused(resumption: Resumption | None) -> bool:
    """Tell whether a call asked for the person's consent last, and did not get it."""
    if resumption is None or not _rounds(resumption):
        return False
    given = resumption.answers or {}
    replies = [answer.get("selected", []) for answer in given.get("answers", [])]
    return given.get("status") != "answered" or [DECLINED] in replies


def before(resumption: Resumption | None) -> Resumption | None:
    """Return what a call goes on with, besides the consent for which it was suspended last."""
    if resumption is None or not _rounds(resumption):
        return resumption
    kept = resumption.state.get("before")
    return Resumption(kept["state"], kept["answers"]) if kept else None


def _rounds(resumption: Resumption | None) -> int:
    """Return how often a call has asked for consent in a row."""
    return resumption.state.get(QUESTION_ID, 0) if resumption is not None else 0
