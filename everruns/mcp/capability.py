"""A server's tools as a capability finds them: at the start of each turn."""

from functools import partial
from typing import Any

from everruns.capabilities.base import Capability
from everruns.capabilities.mcp_servers import server_capability
from everruns.domain.mcp_servers import McpAccount
from everruns.domain.prepared import Prepared, PreparedTool
from everruns.mcp import consents
from everruns.mcp.authorization import Authorizations, subject_of
from everruns.mcp.call import Call, Task
from everruns.mcp.connections import Connections
from everruns.mcp.failures import InputRequired, NotAuthorized
from everruns.mcp.offer import StillOffered, identity, offer
from everruns.mcp.questions import answers_of, ask_now, suspend
from everruns.mcp.results import told
from everruns.mcp.tasks import Tasks, is_task
from everruns.tools.base import Resumption, SessionContext, ToolContext, ToolError

# The call's own limit comes first and says more.
MARGIN_S = 5.0


class ServerTools:
    """Prepares and calls one server's tools; implements ``Preparation``.

    Args:
        account: The server.
        connections: The process's connections.
        authorizations: Begins consents, if the server wants OAuth.

    Attributes:
        ends_in_time: True: connections end calls that make no progress, and close.
    """

    ends_in_time = True

    def __init__(
        self,
        account: McpAccount,
        connections: Connections,
        authorizations: Authorizations | None = None,
    ) -> None:
        self._account = account
        self._connections = connections
        self._authorizations = authorizations
        self._tasks = Tasks(account, connections)
        limits = connections.limits
        self._timeout_s = limits.connect_s + limits.call_s + MARGIN_S

    async def prepare(self, config: dict[str, Any], session: SessionContext) -> Prepared:
        """Return the server's tools, or a way to connect if a person has to consent first.

        Raises:
            McpFailure: The server cannot be used; the message says why.
        """
        subject = subject_of(session)
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
            Suspend: The server wants answers from a person first, or the person's consent, or
                works on a task.
            ToolError: The tool failed, or the person does not consent.
        """
        before = consents.before(context.resumption)
        has_task = before is not None and is_task(before.state)
        if consents.is_refused(context.resumption):
            about = " It is unknown what has become of its task." if has_task else ""
            raise ToolError(
                f"The user does not want to connect {self._account.name}.{about} Do without it, "
                "and do not ask again unless the user wants it."
            )
        try:
            return await self._run(tool, arguments, before, context)
        except NotAuthorized as needed:
            if self._authorizations is None:
                raise
            raise await consents.ask(
                self._account,
                subject_of(context),
                self._authorizations,
                context,
                needed,
                repeatable=has_task,
            ) from None

    async def abandon(self, tool: PreparedTool, state: Any, context: SessionContext) -> None:  # noqa: ARG002 - one server's tasks are alike
        """Cancel the task of a suspended call that nobody waits for any more.

        Raises:
            NotAuthorized: A person would have to consent first.
            McpFailure: The server cannot be told.
        """
        before = consents.before(Resumption(state))
        if before is not None and is_task(before.state):
            await self._tasks.cancel(before.state, context)

    async def _run(
        self,
        tool: PreparedTool,
        arguments: dict[str, Any],
        resumption: Resumption | None,
        context: ToolContext,
    ) -> Any:
        if consents.is_connect(tool):
            return await self._connect(context)
        answers, state, rounds = None, None, 0
        if resumption is not None:
            if is_task(resumption.state):
                return await self._tasks.look(resumption, context)
            answers, state, rounds = answers_of(self._account.name, resumption)
        call = Call(
            tool.reference["tool"],
            arguments,
            answers,
            state,
            partial(_progressed, context),
            ask=ask_now(self._account.name, context, self._connections.limits.answer_s),
            asker=context.session_id,
            needs_task=tool.reference.get("task") == "required",
            traceparent=context.traceparent,
        )
        return await self._call(call, tool, context, rounds)

    async def _connect(self, context: ToolContext) -> str:
        await self._connections.listing(
            self._account, context.allow_private_addresses, subject_of(context)
        )
        return f"{self._account.name} is connected. Its tools can be used now."

    async def _call(self, call: Call, tool: PreparedTool, context: ToolContext, rounds: int) -> Any:
        try:
            result = await self._connections.call(
                self._account,
                call,
                repeatable=tool.repeatable,
                allow_private=context.allow_private_addresses,
                subject=subject_of(context),
            )
        except InputRequired as asked:
            raise suspend(self._account.name, asked, rounds) from None
        if isinstance(result, Task):
            return await self._tasks.begin(result, rounds, context)
        return told(result)


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
