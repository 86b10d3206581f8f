"""A server's tools as a capability finds them: at the start of each turn."""

from functools import partial
from typing import Any

from everruns.capabilities.base import Capability
from everruns.capabilities.mcp_servers import server_capability
from everruns.domain.mcp_servers import McpAccount
from everruns.domain.prepared import Prepared, PreparedTool
from everruns.mcp.call import Call, Task
from everruns.mcp.connections import Connections
from everruns.mcp.failures import InputRequired
from everruns.mcp.offer import offer, still_offered
from everruns.mcp.questions import answers_of, ask_now, suspend
from everruns.mcp.results import told
from everruns.mcp.tasks import Tasks, is_task
from everruns.tools.base import SessionContext, ToolContext

# The call's own limit comes first and says more.
MARGIN_S = 5.0


class ServerTools:
    """Prepares and calls one server's tools; implements ``Preparation``.

    Args:
        account: The server.
        connections: The process's connections.
    """

    def __init__(self, account: McpAccount, connections: Connections) -> None:
        self._account = account
        self._connections = connections
        self._tasks = Tasks(account, connections)

    async def prepare(self, config: dict[str, Any], session: SessionContext) -> Prepared:
        """Return the server's tools.

        Raises:
            McpFailure: The server cannot be used; the message says why.
        """
        listing = await self._connections.listing(
            self._account, session.allow_private_addresses, session.end_user
        )
        limits = self._connections.limits
        timeout_s = limits.connect_s + limits.call_s + MARGIN_S
        return offer(self._account, listing, config, timeout_s)

    async def run(self, tool: PreparedTool, arguments: dict[str, Any], context: ToolContext) -> Any:
        """Call a tool and return a JSON value or a ``ToolOutput``.

        Raises:
            McpFailure: The server refused, or failed; the message says what is known.
            Suspend: The server wants answers from a person first, or works on a task.
            ToolError: The tool failed.
        """
        answers, state, rounds = None, None, 0
        if context.resumption is not None:
            if is_task(context.resumption.state):
                return await self._tasks.look(context.resumption, context)
            answers, state, rounds = answers_of(self._account.name, context.resumption)

        def progressed(done: float, total: float | None, message: str | None) -> None:
            share = f"{done:g}" if total is None else f"{done:g} of {total:g}"
            context.report_progress(message or share)

        call = Call(
            tool.reference["tool"],
            arguments,
            answers,
            state,
            progressed,
            ask=ask_now(self._account.name, context, self._connections.limits.answer_s),
            asker=context.session_id,
            needs_task=tool.reference.get("task") == "required",
        )
        try:
            result = await self._connections.call(
                self._account,
                call,
                repeatable=tool.repeatable,
                allow_private=context.allow_private_addresses,
                end_user=context.end_user,
            )
        except InputRequired as asked:
            raise suspend(self._account.name, asked, rounds) from None
        if isinstance(result, Task):
            return await self._tasks.begin(result, rounds, context)
        return told(result)

    async def abandon(self, tool: PreparedTool, state: Any, context: SessionContext) -> None:  # noqa: ARG002 - one server's tasks are alike
        """Cancel the task of a suspended call that nobody waits for any more.

        Raises:
            McpFailure: The server cannot be told.
        """
        if is_task(state):
            await self._tasks.cancel(state, context)


def mcp_capability(account: McpAccount, connections: Connections) -> Capability:
    """Return the capability that offers a server's tools in turns.

    Args:
        account: The server.
        connections: The process's connections.
    """
    return server_capability(
        account.name,
        preparation=ServerTools(account, connections),
        restrict=partial(still_offered, account),
    )
