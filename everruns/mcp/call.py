"""A call of a server's tool, and the task that a server may make of it."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mcp_types import CallToolResult

Progress = Callable[[float, float | None, str | None], None]
"""Told how much is done, of how much in all, and in the server's words."""

AskNow = Callable[[Mapping[str, Any]], Coroutine[Any, Any, Mapping[str, Any]]]
"""Given a request of a server, returns the response that a person has given to it."""

TaskMethod = Literal["tasks/get", "tasks/update", "tasks/cancel", "tasks/result"]
TaskStatus = Literal["working", "input_required", "completed", "failed", "cancelled"]


@dataclass(frozen=True)
class Call:
    """A call of a server's tool.

    Attributes:
        tool: The server's name of the tool.
        arguments: The model's.
        answers: What a person answered to the server's requests, by its keys.
        state: What the server wants back with the answers.
        progress: Told of each sign of progress.
        ask: Answers what a server with sessions asks while it works on the call.
        asker: Who is asked. Calls of the same one can share a connection, whatever the server does.
        needs_task: Whether the call has to ask for a task.
        traceparent: What the server is told of the trace that the call belongs to, if anything.
    """

    tool: str
    arguments: dict[str, Any]
    answers: Mapping[str, Any] | None = None
    state: str | None = None
    progress: Progress | None = None
    ask: AskNow | None = None
    asker: str = ""
    needs_task: bool = False
    traceparent: str | None = None


@dataclass(frozen=True)
class TaskRequest:
    """A request about a task.

    Attributes:
        method: What is wanted.
        task_id: The server's handle of the task.
        answers: What a person answered to the task's requests, by the server's keys.
        ask: Answers what a server with sessions asks while it works on the task.
        asker: Who is asked.
    """

    method: TaskMethod
    task_id: str
    answers: Mapping[str, Any] | None = None
    ask: AskNow | None = None
    asker: str = ""


@dataclass(frozen=True)
class Task:
    """What a server says about a task.

    Attributes:
        id: The server's handle of it.
        status: How it stands.
        message: The server's words about that.
        interval_s: Seconds after which the server wants to be asked again at the earliest.
        ttl_s: Seconds after the task's creation for which the server keeps it; ``None`` if it sets
            no limit.
        requests: What it asks a person, by its keys, as the protocol's JSON.
        result: What the tool returned, if the task is completed.
    """

    id: str
    status: TaskStatus
    message: str | None = None
    interval_s: float | None = None
    ttl_s: float | None = None
    requests: Mapping[str, Any] = field(default_factory=dict[str, Any])
    result: "CallToolResult | None" = None
