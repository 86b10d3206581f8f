"""Tasks: work of a server that takes longer than a call, looked at again from time to time.

Between two looks the call is suspended, with the server's handle of the task in the log, so that
any process can look next. Looking at a task can be repeated, whatever the tool does.

Source: the extension ``io.modelcontextprotocol/tasks`` (SEP-2663); docs/mcp.md, "Tasks".
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

import structlog
from pydantic import Field

from everruns.domain.base import Model
from everruns.domain.mcp_servers import McpAccount
from everruns.domain.suspensions import Suspension
from everruns.ids import now_ms
from everruns.log import error_kind
from everruns.mcp.authorization import subject_of
from everruns.mcp.call import Task, TaskRequest
from everruns.mcp.connections import Connections
from everruns.mcp.failures import (
    Busy,
    CannotConnect,
    InputRequired,
    McpFailure,
    NotAuthorized,
    NotDelivered,
    OutcomeUnknown,
)
from everruns.mcp.questions import answers_of, ask_now, suspend
from everruns.mcp.results import told
from everruns.tools.base import Resumption, SessionContext, Suspend, ToolContext, ToolError

SHORTEST_WAIT_S = 1.0
# Rarely enough for a day's work, and often enough for most servers to keep a session.
LONGEST_WAIT_S = 240.0
LONGEST_INTERVAL_S = 3600.0
# A task that has taken long will probably take longer.
SHARE_OF_TIME = 0.1
WAIT_AFTER_SILENCE_S = 5.0

# What says nothing of the task: it can be looked at later.
_NOT_NOW = (Busy, CannotConnect, NotDelivered, OutcomeUnknown)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class TaskHandle(Model):
    """What is kept of a task.

    Attributes:
        id: The server's handle of it.
        begun_ms: When it was created, in milliseconds since the epoch.
        ends_ms: When it is given up.
        answered: The keys of its requests that were answered.
        answers: Answers that have not reached the server yet.
        silent_since_ms: Since when the server cannot be asked; ``None`` if it can.
    """

    id: str
    begun_ms: int
    ends_ms: int
    answered: list[str] = Field(default_factory=list)
    answers: dict[str, Any] = Field(default_factory=dict)
    silent_since_ms: int | None = None


class Tasks:
    """Looks at the tasks of one server.

    Args:
        account: The server.
        connections: The process's connections.
    """

    def __init__(self, account: McpAccount, connections: Connections) -> None:
        self._account = account
        self._connections = connections
        self._limits = connections.limits

    async def begin(self, task: Task, rounds: int, context: ToolContext) -> Any:
        """Go on with a call that the server has made a task of.

        Args:
            task: The task.
            rounds: How often the server has asked in this call before.
            context: The call's context.

        Returns:
            What the tool returned, if it has finished already.

        Raises:
            Suspend: The call goes on later.
            ToolError: The task failed.
        """
        now = now_ms()
        handle = TaskHandle(id=task.id, begun_ms=now, ends_ms=now)
        return await self._follow(handle, task, rounds, context)

    async def look(self, resumption: Resumption, context: ToolContext) -> Any:
        """Look at a suspended call's task, after telling the server what a person has answered.

        Args:
            resumption: What the call goes on with; see ``is_task``.
            context: The call's context.

        Returns:
            What the tool returned.

        Raises:
            Suspend: The call goes on later.
            NotAuthorized: A person has to consent first; the look can be repeated.
            McpFailure: The server does not say any more what becomes of the task.
            ToolError: The task failed.
        """
        rounds: int = resumption.state["rounds"]
        handle = TaskHandle.model_validate(resumption.state["task"])
        if "requests" in resumption.state:
            answers, _, rounds = answers_of(self._account.name, resumption)
            handle = handle.model_copy(update={"answers": answers or {}})
        try:
            if handle.answers:
                await self._ask(TaskRequest("tasks/update", handle.id, handle.answers), context)
                answered = [*handle.answered, *handle.answers]
                handle = handle.model_copy(update={"answers": {}, "answered": answered})
            ask = ask_now(self._account.name, context, self._limits.answer_s)
            task = await self._ask(TaskRequest("tasks/get", handle.id, ask=ask), context)
        except _NOT_NOW as failure:
            self._try_later(handle, rounds, failure, context)
        except NotAuthorized:
            raise
        except McpFailure as refusal:
            raise McpFailure(
                f"{str(refusal).rstrip('.')}, when it was asked for the task that it had begun. It "
                "is unknown whether the call took effect."
            ) from None
        return await self._follow(_heard_of(handle), task, rounds, context)

    async def cancel(self, state: Any, context: SessionContext) -> None:
        """Tell the server that nobody waits for a task any more.

        Args:
            state: What the call was suspended with.
            context: The call's session.

        Raises:
            ToolError: The server cannot be told, or refuses.
        """
        handle = TaskHandle.model_validate(state["task"])
        await self._ask(TaskRequest("tasks/cancel", handle.id), context)

    async def _ask(self, request: TaskRequest, context: SessionContext) -> Task:
        task = await self._connections.task(
            self._account,
            replace(request, asker=context.session_id),
            allow_private=context.allow_private_addresses,
            subject=subject_of(context),
        )
        # The acknowledgement of the other requests does not say how the task stands.
        return task or Task(request.task_id, "working")

    async def _follow(
        self, handle: TaskHandle, task: Task, rounds: int, context: ToolContext
    ) -> Any:
        """Return the result of a task, or decide when it is looked at again."""
        name = self._account.name
        if task.result is not None:
            return told(task.result)
        if task.status in {"failed", "cancelled"}:
            words = (task.message or "it did not say why").rstrip(".")
            raise McpFailure(
                f"The MCP server {name} says that its task {_ENDED[task.status]}: {words}."
            )
        if task.message:
            context.report_progress(task.message)
        handle = handle.model_copy(update={"ends_ms": self._ends_ms(handle, task)})
        if now_ms() >= handle.ends_ms:
            await self._give_up(handle, context)
            hours = (handle.ends_ms - handle.begun_ms) / 3_600_000
            raise McpFailure(
                f"The task of the MCP server {name} did not end within {hours:.2g} hours, so it "
                "was cancelled. It is unknown what it has done."
            )
        asked = {key: task.requests[key] for key in task.requests if key not in handle.answered}
        if not asked:
            self._sleep(handle, rounds, wait_s(handle, task.interval_s, now_ms()))
        try:
            raise suspend(name, InputRequired(asked, None), rounds, handle.wire())
        except McpFailure:
            await self._give_up(handle, context)
            raise

    def _ends_ms(self, handle: TaskHandle, task: Task) -> int:
        ours = self._limits.task_s
        return handle.begun_ms + round(min(ours, task.ttl_s or ours) * 1000)

    def _try_later(
        self, handle: TaskHandle, rounds: int, failure: ToolError, context: ToolContext
    ) -> NoReturn:
        now = now_ms()
        since = handle.silent_since_ms or now
        if now - since >= self._limits.task_silence_s * 1000 or now >= handle.ends_ms:
            raise McpFailure(
                f"{str(failure).rstrip('.')}, and neither could it be asked before what has become "
                "of its task. It is unknown whether the call took effect."
            ) from None
        context.report_progress(str(failure))
        silent = handle.model_copy(update={"silent_since_ms": since})
        self._sleep(silent, rounds, wait_s(silent, WAIT_AFTER_SILENCE_S, now))

    def _sleep(self, handle: TaskHandle, rounds: int, seconds: float) -> NoReturn:
        state = {"task": handle.wire(), "rounds": rounds}
        suspension = Suspension(state=state, resume_after_seconds=seconds, repeatable=True)
        raise Suspend(suspension) from None

    async def _give_up(self, handle: TaskHandle, context: ToolContext) -> None:
        try:
            await self._ask(TaskRequest("tasks/cancel", handle.id), context)
        except ToolError as failure:
            log.info("mcp task not cancelled", server=self._account.name, error=error_kind(failure))


_ENDED: Mapping[str, str] = {"failed": "has failed", "cancelled": "was cancelled"}


def is_task(state: Any) -> bool:
    """Tell whether a call was suspended because of a task."""
    return isinstance(state, dict) and "task" in state


def wait_s(handle: TaskHandle, interval_s: float | None, now: int) -> float:
    """Return after how many seconds a task is looked at again.

    Not before the server wants it, and less often the longer the task has taken; but more often
    towards its end, when the server may forget it.

    Args:
        handle: The task.
        interval_s: After how many seconds the server wants to be asked at the earliest.
        now: The time in milliseconds.
    """
    least = min(max(interval_s or 0.0, SHORTEST_WAIT_S), LONGEST_INTERVAL_S)
    grown = min((now - handle.begun_ms) / 1000 * SHARE_OF_TIME, LONGEST_WAIT_S)
    left = max((handle.ends_ms - now) / 2000, SHORTEST_WAIT_S)
    return max(least, min(grown, left))


def _heard_of(handle: TaskHandle) -> TaskHandle:
    return handle.model_copy(update={"silent_since_ms": None})
