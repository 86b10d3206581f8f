"""A server's tools as a capability finds them: at the start of each turn."""

from functools import partial
from typing import Any

from everruns.capabilities.base import Capability
from everruns.capabilities.mcp_servers import server_capability
from everruns.domain.mcp_authorizations import Subject
from everruns.domain.mcp_servers import McpAccount
from everruns.domain.prepared import Prepared, PreparedTool
from everruns.mcp import consents
from everruns.mcp.authorization import Authorizations
from everruns.mcp.call import Call
from everruns.mcp.connections import Connections
from everruns.mcp.failures import InputRequired, NotAuthorized
from everruns.mcp.offer import StillOffered, identity, offer
from everruns.mcp.questions import answers_of, suspend
from everruns.mcp.results import told
from everruns.tools.base import SessionContext, ToolContext

# The call's own limit comes first and says more.
MARGIN_S = 5.0


class ServerTools:
    """Prepares and calls one server's tools; implements ``Preparation``.

    Args:
        account: The server.
        connections: The process's connections.
        authorizations: Begins consents, if the server wants OAuth.
    """

    def __init__(
        self,
        account: McpAccount,
        connections: Connections,
        authorizations: Authorizations | None = None,
    ) -> None:
        self._account = account
        self._connections = connections
        self._authorizations = authorizations
        limits = connections.limits
        self._timeout_s = limits.connect_s + limits.call_s + MARGIN_S

    async def prepare(self, config: dict[str, Any], session: SessionContext) -> Prepared:
        """Return the server's tools, or a way to connect if a person has to consent first.

        Raises:
            McpFailure: The server cannot be used; the message says why.
        """
        subject = _subject(session)
        try:
            listing = await self._connections.listing(
                self._account, session.allow_private_addresses, subject
            )
        except NotAuthorized:
            return consents.connect_offer(self._account, subject, self._timeout_s)
        return offer(self._account, listing, config, self._timeout_s)

    async def run(self, tool: PreparedTool, arguments: dict[str, Any], context: ToolContext) -> Any:
        """Call a tool and return a JSON value or a ``ToolOutput``.

        Raises:
            McpFailure: The server refused, or failed; the message says what is known.
            Suspend: The server wants answers from a person first, or the person's consent.
            ToolError: The tool failed, or the person does not consent.
        """
        resumption = consents.went_on(self._account, context.resumption)
        try:
            if consents.is_connect(tool):
                return await self._connect(context)
            answers, state, rounds = None, None, 0
            if resumption is not None:
                answers, state, rounds = answers_of(self._account.name, resumption)
            call = Call(
                tool.reference["tool"], arguments, answers, state, partial(_progressed, context)
            )
            return await self._call(call, tool, context, rounds)
        except NotAuthorized as needed:
            if self._authorizations is None:
                raise
            raise await consents.ask(
                self._account, _subject(context), self._authorizations, context, needed
            ) from None

    async def _connect(self, context: ToolContext) -> str:
        await self._connections.listing(
            self._account, context.allow_private_addresses, _subject(context)
        )
        return f"{self._account.name} is connected. Its tools can be used now."

    async def _call(self, call: Call, tool: PreparedTool, context: ToolContext, rounds: int) -> Any:
        try:
            result = await self._connections.call(
                self._account,
                call,
                repeatable=tool.repeatable,
                allow_private=context.allow_private_addresses,
                subject=_subject(context),
            )
        except InputRequired as asked:
            raise suspend(self._account.name, asked, rounds) from None
        return told(result)


def _subject(session: SessionContext) -> Subject:
    return Subject.of(session.agent.id if session.agent else None, session.end_user)


def _progressed(
    context: ToolContext, done: float, total: float | None, message: str | None
) -> None:
    share = f"{done:g}" if total is None else f"{done:g} of {total:g}"
    context.report_progress(message or share)


def _offered_now(
    account: McpAccount, still_offered: StillOffered, config: dict[str, Any], tool: PreparedTool
) -> PreparedTool | None:
    """Return a tool that was found before, as far as it may be offered now."""
    if not consents.is_connect(tool):
        return still_offered(config, tool)
    is_same = tool.reference["server"] == identity(account)
    return tool if is_same and account.acts_as == "user" else None


def mcp_capability(
    account: McpAccount, connections: Connections, authorizations: Authorizations | None = None
) -> Capability:
    """Return the capability that offers a server's tools in turns.

    Args:
        account: The server.
        connections: The process's connections.
        authorizations: Begins consents, if the server wants OAuth.
    """
    return server_capability(
        account.name,
        preparation=ServerTools(account, connections, authorizations),
        restrict=partial(_offered_now, account, StillOffered(account)),
        opens=consents.is_connect,
    )
