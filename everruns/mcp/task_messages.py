"""The protocol's messages about tasks.

The library knows that there are extensions, and not this one.

Sources: the extension ``io.modelcontextprotocol/tasks`` of revision 2026-07-28 (SEP-2663); "Tasks"
of revision 2025-11-25.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from mcp.client import ClientExtension
from mcp.client.extension import ClaimContext, ResultClaim
from mcp_types import CallToolResult, Request, RequestParams, Result
from mcp_types.methods import validate_server_result
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from everruns.mcp.call import Task, TaskMethod, TaskRequest, TaskStatus
from everruns.mcp.failures import said

EXTENSION = "io.modelcontextprotocol/tasks"
MAX_ID_CHARACTERS = 2000


class AnyResult(BaseModel):
    """A result as it came."""

    model_config = ConfigDict(extra="allow")


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class _Error(BaseModel):
    message: str = ""


class _Task(_Camel):
    """A task, of which what cannot be read is left out as far as it matters little."""

    task_id: str = Field(min_length=1, max_length=MAX_ID_CHARACTERS)
    status: TaskStatus
    status_message: str | None = None
    # The names without a unit are those of revision 2025-11-25.
    ttl_ms: float | None = Field(None, validation_alias=AliasChoices("ttlMs", "ttl"))
    poll_interval_ms: float | None = Field(
        None, validation_alias=AliasChoices("pollIntervalMs", "pollInterval")
    )
    input_requests: dict[str, Any] = Field(default_factory=dict[str, Any])
    result: dict[str, Any] | None = None
    error: _Error | None = None


class CreatedTask(Result):
    """The answer to a call that became a task."""

    result_type: Literal["task"]


class TasksExtension(ClientExtension):
    """Says that this client can be given tasks."""

    identifier = EXTENSION

    def claims(self) -> Sequence[ResultClaim[Any]]:
        """Return the form of result that stands for a task."""
        return [ResultClaim(result_type="task", model=CreatedTask, resolve=_never_resolved)]


async def _never_resolved(created: CreatedTask, context: ClaimContext) -> CallToolResult:  # noqa: ARG001 - the library's signature
    raise RuntimeError("a task is looked at again by its turn, not by the connection")


class _TaskParams(RequestParams):
    task_id: str
    input_responses: dict[str, Any] | None = None


class _TaskMessage(Request[_TaskParams, TaskMethod]):
    name_param = "taskId"


def message_of(request: TaskRequest) -> Request[Any, Any]:
    """Return the message of a request about a task."""
    params = {"taskId": request.task_id, "inputResponses": request.answers}
    return _TaskMessage(method=request.method, params=_TaskParams.model_validate(params))


def task_of(answer: Mapping[str, Any], revision: str, *, is_new: bool = False) -> Task:
    """Return the task that an answer describes.

    Args:
        answer: The answer to the call that made the task, or to a request about it.
        revision: The revision of the protocol that was agreed on.
        is_new: Whether the answer is the one that made the task, which has no result.

    Raises:
        pydantic.ValidationError: It is not what the protocol wants.
    """
    read = _Task.model_validate(answer)
    words = said(read.status_message or (read.error.message if read.error else ""))
    has_result = read.status == "completed" and not is_new and revision in MODERN_PROTOCOL_VERSIONS
    result = result_in(read.result or {}, revision) if has_result else None
    return Task(
        id=read.task_id,
        status=read.status,
        message=words or None,
        interval_s=_seconds(read.poll_interval_ms),
        ttl_s=_seconds(read.ttl_ms),
        requests=read.input_requests,
        result=result,
    )


def result_in(answer: Mapping[str, Any], revision: str) -> CallToolResult:
    """Return the result of a tool that a task has returned.

    Raises:
        pydantic.ValidationError: It is not what the protocol wants.
    """
    returned = {"resultType": "complete", **answer}
    validate_server_result("tools/call", revision, returned)
    return CallToolResult.model_validate(returned, by_name=False)


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else max(0.0, ms / 1000)
