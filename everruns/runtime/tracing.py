"""Traces of a host's turns: what they need of the registry and the settings."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from everruns.errors import NotFound
from everruns.registry.agents import Agents
from everruns.settings import Settings

if TYPE_CHECKING:
    from everruns.telemetry.traces import Traces

REMEMBERED_NAMES = 1_000
# After that long, a new name is used.
REMEMBERED_S = 60.0


class AgentNames:
    """Names of agents, as they were ``REMEMBERED_S`` seconds ago at the earliest.

    Args:
        agents: Knows them.
    """

    def __init__(self, agents: Agents) -> None:
        self._agents = agents
        self._names: dict[str, tuple[str, float]] = {}

    async def __call__(self, agent_id: str) -> str | None:
        """Return an agent's name; ``None`` if there is no such agent any more."""
        now_s = time.monotonic()
        name, until_s = self._names.get(agent_id, ("", now_s))
        if now_s >= until_s:
            try:
                name = (await self._agents.get(agent_id)).name
            except NotFound:
                return None
            if len(self._names) >= REMEMBERED_NAMES:
                self._names.clear()
            self._names[agent_id] = name, now_s + REMEMBERED_S
        return name


def open_traces(
    settings: Settings, agents: Agents, dropped: Callable[[int], None]
) -> "Traces | None":
    """Return the traces of a host's turns; ``None`` if there is no collector for them.

    Args:
        settings: The deployment's settings.
        agents: Knows the names of agents.
        dropped: Told how many spans were dropped.
    """
    if settings.trace_endpoint is None:
        return None
    # Only now: the protocol's package takes memory that a host without traces need not have.
    from everruns.telemetry.export import Collector, Exporter  # noqa: PLC0415
    from everruns.telemetry.traces import TraceRule, Traces  # noqa: PLC0415

    headers = settings.trace_headers.get_secret_value() if settings.trace_headers else ""
    collector = Collector.of(settings.trace_endpoint, headers, settings.trace_resource)
    rule = TraceRule(settings.trace_sample, settings.trace_content)
    return Traces(Exporter(collector, dropped), rule, AgentNames(agents), dropped)
