"""A task list that lives in the conversation: each call replaces the whole list."""

from typing import Annotated, Any, cast

from pydantic import Field, WithJsonSchema

from everruns.capabilities.base import Capability
from everruns.tools.base import ToolError
from everruns.tools.function import tool

STATUSES = ("pending", "in_progress", "completed")

SYSTEM_PROMPT = """\
## Task management

Use the `write_todos` tool to plan and track work of three or more steps.

- Write the list before you start; each call replaces the whole list, so send every task each time.
- Keep exactly one task in_progress while there is work to do.
- Mark a task completed as soon as it is done, before you start the next one; never several at once.
- Add tasks that you discover on the way, and leave out those that are no longer needed.
- Give each task `content`, what is to be done ("Run the tests"), and `activeForm`, the same while
  it is being done ("Running the tests").

Do not use it for trivial work of one or two steps, or to answer a question.\
"""

TODOS_SCHEMA: dict[str, Any] = {
    "type": "array",
    "description": "The complete list of tasks; it replaces the one before.",
    "items": {
        "type": "object",
        "properties": {
            "content": {
                "type": "string",
                "minLength": 1,
                "description": "What is to be done, e.g. 'Run the tests'.",
            },
            "activeForm": {
                "type": "string",
                "minLength": 1,
                "description": "The same while it is being done, e.g. 'Running the tests'.",
            },
            "status": {"type": "string", "enum": list(STATUSES)},
        },
        "required": ["content", "activeForm", "status"],
        "additionalProperties": False,
    },
}


def _explain(arguments: dict[str, Any]) -> str | None:
    """Return what is wrong with a list of tasks, naming the task's number."""
    if "todos" not in arguments:
        return "Missing required field: 'todos'"
    todos = arguments["todos"]
    if not isinstance(todos, list):
        return "Invalid 'todos' field: expected an array"
    for number, item in enumerate(cast("list[Any]", todos), start=1):
        task = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
        for field in ("content", "activeForm"):
            if not isinstance(task.get(field), str) or not task[field]:
                return f"Task {number} is missing or has empty '{field}' field"
        status = task.get("status")
        if not isinstance(status, str):
            return f"Task {number} is missing 'status' field"
        if status not in STATUSES:
            return (
                f"Task {number} has invalid status '{status[:40]}'. "
                "Must be 'pending', 'in_progress', or 'completed'"
            )
    return None


@tool(repeatable=True, explain=_explain)
async def write_todos(
    todos: Annotated[list[dict[str, Any]], Field(max_length=1000), WithJsonSchema(TODOS_SCHEMA)],
) -> dict[str, Any]:
    """Replace the list of tasks, to plan and track work of several steps."""
    if problem := _explain({"todos": todos}):
        raise ToolError(problem)
    counts = {status: sum(task["status"] == status for task in todos) for status in STATUSES}
    answer: dict[str, Any] = {"success": True, "total_tasks": len(todos), **counts, "todos": todos}
    if counts["in_progress"] > 1:
        answer["warning"] = "More than one task is in_progress. Keep exactly one."
    elif counts["in_progress"] == 0 and counts["pending"] > 0:
        answer["warning"] = "No task is in_progress. Mark the one you are working on."
    return answer


STATELESS_TODO_LIST = Capability(
    id="stateless_todo_list",
    name="Task Management",
    description="Lets the agent plan and track work of several steps.",
    icon="list-checks",
    category="Productivity",
    system_prompt=SYSTEM_PROMPT,
    tools=[write_todos],
)
