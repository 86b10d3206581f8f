"""Preparing capabilities for a turn: each looks for what it offers, and none can fail the turn.

Whatever a capability does, it is prepared within a time limit, and what it offers is bounded and
checked, because both often come from servers that nobody here wrote.

Source: docs/contract.md, "Turns"; ADR 0048.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from everruns.capabilities.base import Capability, Preparation
from everruns.capabilities.registry import Resolved
from everruns.domain.base import KIB, MIB
from everruns.domain.prepared import Prepared, PreparedCapabilities, PreparedTool
from everruns.domain.schemas import check_foreign_schema
from everruns.domain.tools import ToolDefinition
from everruns.tools.base import SessionContext, ToolError

PREPARE_TIMEOUT_S = 20.0
AT_ONCE = 16
# Of all capabilities of a turn together.
MAX_TOOLS = 1_000
MAX_BYTES = MIB
MAX_PROMPT_CHARACTERS = 32 * KIB
MAX_NOTES = 20
MAX_NOTE_CHARACTERS = 500

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def prepare_all(
    used: Sequence[Resolved],
    known: PreparedCapabilities,
    session: SessionContext,
    timeout_s: float,
) -> PreparedCapabilities:
    """Prepare capabilities, all at the same time.

    A capability that cannot be prepared keeps what it offered before, if it ever did and still may,
    so that a service that is away for a moment does not change what the model is offered; a note
    says so.

    Args:
        used: The capabilities of the turn, with their configs.
        known: What was found before.
        session: The session, for the capabilities.
        timeout_s: Seconds that each may take.
    """
    slots = asyncio.Semaphore(AT_ONCE)
    to_prepare = [
        (capability, capability.preparation, config)
        for capability, config in used
        if capability.preparation is not None
    ]

    async def prepare(
        capability: Capability, preparation: Preparation, config: dict[str, object]
    ) -> Prepared:
        name = capability.id
        async with slots:
            try:
                return await _in_time(preparation, config, session, timeout_s)
            except ToolError as refusal:
                reason = str(refusal).rstrip(".")
            except Exception as error:
                log.exception("not prepared", session_id=session.session_id, capability=name)
                reason = f"it failed with {type(error).__name__}; the server's log has the details"
        before = known.get(name, Prepared())
        return _as_before(name, reason, before, capability.offerable(config, before))

    found = await asyncio.gather(*(prepare(*one) for one in to_prepare))
    names = [capability.id for capability, _, _ in to_prepare]
    return _bounded(dict(zip(names, found, strict=True)))


async def _in_time(
    preparation: Preparation, config: dict[str, object], session: SessionContext, timeout_s: float
) -> Prepared:
    preparing = asyncio.ensure_future(preparation.prepare(config, session))
    try:
        # One that ignores its cancellation must not hold up the turn.
        await asyncio.wait({preparing}, timeout=timeout_s)
    finally:
        finished = preparing.done()
        if not finished:
            preparing.cancel()
    if not finished:
        raise ToolError(f"it did not answer within {timeout_s:g} seconds")
    if preparing.cancelled():
        raise ToolError("it was interrupted")
    return preparing.result()


def _as_before(name: str, reason: str, before: Prepared, offerable: list[PreparedTool]) -> Prepared:
    # A prompt may tell of tools, so it goes with them; it may also be all that there is.
    if not offerable and (before.tools or not before.prompt):
        return Prepared(notes=[f"{name} is not available in this turn: {reason}."])
    so = ", so its tools may fail" if offerable else ""
    note = f"{name} cannot be reached at the moment{so}: {reason}."
    return before.model_copy(update={"tools": offerable, "notes": [note]})


def _bounded(found: Mapping[str, Prepared]) -> PreparedCapabilities:
    """Leave out tools that no model can be offered, and what is too much."""
    room = _Room(MAX_TOOLS, MAX_BYTES)
    return {name: _checked(name, prepared, room.take) for name, prepared in found.items()}


class _Room:
    """The room that is left for tools."""

    def __init__(self, tools: int, size_bytes: int) -> None:
        self._tools, self._bytes = tools, size_bytes

    def take(self, tool: PreparedTool) -> bool:
        """Take room for a tool; return whether there was enough."""
        size_bytes = len(tool.model_dump_json())
        if not self._tools or size_bytes > self._bytes:
            return False
        self._tools -= 1
        self._bytes -= size_bytes
        return True


def _checked(name: str, prepared: Prepared, take: Callable[[PreparedTool], bool]) -> Prepared:
    kept: list[PreparedTool] = []
    notes = list(prepared.notes)
    beyond = 0
    for tool in prepared.tools:
        if problem := _problem_with(tool.definition):
            notes.append(f"The tool {tool.definition.name[:64]} of {name} is left out: {problem}.")
        elif take(tool):
            kept.append(tool)
        else:
            beyond += 1
    if beyond:
        notes.append(f"{beyond} tools of {name} are left out: there are too many.")
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES - 1 :] = [f"{len(notes) - MAX_NOTES + 1} more problems with {name}."]
    prompt = prepared.prompt
    return Prepared(
        prompt=prompt[:MAX_PROMPT_CHARACTERS] if prompt else None,
        tools=kept,
        notes=[" ".join(note[:MAX_NOTE_CHARACTERS].split()) for note in notes],
    )


def _problem_with(definition: ToolDefinition) -> str | None:
    try:
        check_foreign_schema(definition.parameters)
    except (ValueError, RecursionError) as error:
        return f"its schema cannot be used ({error})"
    return None
