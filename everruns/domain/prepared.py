"""What capabilities found when they were prepared for a turn: prompts, tools and notes.

It is stored in the session's log whenever it changes. So it is data: a turn that goes on in another
process offers the same tools under the same names, whatever has happened to the service behind
them.

Source: docs/contract.md, "Turns"; ADR 0048.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from everruns.domain.base import Model
from everruns.domain.tools import DEFAULT_TIMEOUT_S, ToolDefinition


class PreparedTool(Model):
    """A tool that a capability found.

    Attributes:
        definition: The tool as described to the model.
        reads_only: Whether a call changes nothing.
        repeatable: Whether a call can safely run twice, so that it is retried after a crash.
        destructive: Whether a call may destroy something irrecoverably.
        runs_alone: Calls of tools with the same name here do not run at the same time.
        timeout_s: Seconds after which a call times out.
        reference: How the capability finds the tool again, such as its name at a server.
    """

    definition: ToolDefinition
    reads_only: bool = False
    repeatable: bool = False
    destructive: bool = False
    runs_alone: str | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    reference: Any = None


class Prepared(Model):
    """What one capability found.

    Attributes:
        prompt: Added to the system prompt, if any.
        tools: Offered to the model, in this order.
        notes: What the model should know of what could not be prepared, one sentence each.
    """

    prompt: str | None = None
    tools: list[PreparedTool] = Field(default_factory=list[PreparedTool])
    notes: list[str] = Field(default_factory=list)


PreparedCapabilities = Mapping[str, Prepared]
"""What was found, by the capability's id."""


def find_changes(known: PreparedCapabilities, found: PreparedCapabilities) -> dict[str, Any] | None:
    """Return the data of the event that says what has changed; ``None`` if nothing has.

    A capability's tools are written only if they have changed: they may be large, and prompts and
    notes may be other ones each turn.

    Args:
        known: What the log says so far.
        found: What was found now.
    """
    offered: dict[str, Any] = {}
    prompts: dict[str, str | None] = {}
    notes: dict[str, list[str]] = {}
    for name, prepared in found.items():
        # Compared as the log has them, where a tuple is a list.
        now = prepared.model_dump(mode="json")
        before = known[name].model_dump(mode="json") if name in known else None
        if before is None or before["tools"] != now["tools"]:
            offered[name] = now
            continue
        if before["prompt"] != now["prompt"]:
            prompts[name] = now["prompt"]
        if before["notes"] != now["notes"]:
            notes[name] = now["notes"]
    dropped = [name for name in known if name not in found]
    data = {"offered": offered, "prompts": prompts, "notes": notes, "dropped": dropped}
    changes = {name: change for name, change in data.items() if change}
    return changes or None


def apply_changes(known: PreparedCapabilities, data: Mapping[str, Any]) -> dict[str, Prepared]:
    """Return what was found after an event whose data ``find_changes`` made."""
    dropped = data.get("dropped", ())
    now = {name: prepared for name, prepared in known.items() if name not in dropped}
    for name, offered in data.get("offered", {}).items():
        now[name] = Prepared.model_validate(offered)
    for name, prompt in data.get("prompts", {}).items():
        now[name] = now[name].model_copy(update={"prompt": prompt})
    for name, notes in data.get("notes", {}).items():
        now[name] = now[name].model_copy(update={"notes": notes})
    return now


def changed_tools(before: PreparedCapabilities, after: PreparedCapabilities) -> set[str]:
    """Return the names of the tools that are not offered as they were, or not by the same one."""
    old, new = _tools_of(before), _tools_of(after)
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


def _tools_of(prepared: PreparedCapabilities) -> dict[str, list[tuple[str, PreparedTool]]]:
    tools: dict[str, list[tuple[str, PreparedTool]]] = {}
    for capability, offered in prepared.items():
        for tool in offered.tools:
            tools.setdefault(tool.definition.name, []).append((capability, tool))
    return tools
