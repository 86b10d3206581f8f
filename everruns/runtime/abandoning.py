"""Telling the tools of suspended calls that nobody waits for them any more.

A suspended call may have left work behind where its tool began it. When the call ends without its
tool, because its turn was cancelled or its question was not answered, the tool is told, once and
as well as that is possible.

Source: docs/capabilities.md, "Asking and waiting in a tool".
"""

import asyncio
from collections.abc import Sequence

import structlog

from everruns.capabilities.offered import OfferedTool
from everruns.domain.turns import LeftCall
from everruns.errors import EverrunsError
from everruns.log import error_kind, no_ids
from everruns.runtime.context import TurnContext
from everruns.runtime.environment import Environment
from everruns.runtime.session import LiveSession
from everruns.tools.base import ToolError

AT_ONCE = 64
TIMEOUT_S = 15.0
LAST_PATIENCE_S = 2.0

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Abandoning:
    """Tells tools, in tasks that nobody waits for.

    Args:
        environment: Finds the tools.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(
        self, session: LiveSession, left: Sequence[LeftCall], context: TurnContext | None = None
    ) -> None:
        """Tell the tools of a session's calls.

        Args:
            session: The session.
            left: The calls.
            context: The context of its turn, if the session is not there any more.
        """
        if len(self._tasks) >= AT_ONCE:
            log.warning("tools not told of abandoned calls", session_id=session.id, calls=len(left))
            return
        task = asyncio.create_task(self._tell(session, left, context), context=no_ids())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def context_of(self, session: LiveSession) -> TurnContext | None:
        """Return the context of a session that is about to go; ``None`` if it has none."""
        try:
            return await self._environment.context(session)
        except EverrunsError as error:
            log.warning("tools not told", session_id=session.id, error=error_kind(error))
            return None

    async def close(self) -> None:
        """Wait a moment for tools that are being told, then stop."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=LAST_PATIENCE_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _tell(
        self, session: LiveSession, left: Sequence[LeftCall], context: TurnContext | None
    ) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                context = context or await self._environment.context(session)
                for one in left:
                    await self._tell_one(session, one, context)
        except (EverrunsError, TimeoutError) as error:
            log.warning("tools not told", session_id=session.id, error=error_kind(error))

    async def _tell_one(self, session: LiveSession, left: LeftCall, context: TurnContext) -> None:
        tool = context.offered.toolbox.find(left.call.name)
        if not isinstance(tool, OfferedTool):
            return
        surroundings = self._environment.session_context(session, context.agent)
        try:
            await tool.abandon(left.state, surroundings)
        except ToolError as refusal:
            log.info("call not abandoned", session_id=session.id, error=error_kind(refusal))
        except Exception:
            log.exception("call not abandoned", session_id=session.id, tool=left.call.name)
