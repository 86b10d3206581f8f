"""The session actor: a session host in its own process."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog

from actors.calls.rpc_actor import RpcActor
from actors.local_model import local_model
from actors.metrics import export_metrics
from actors.names import describe_actor
from actors.processes import collect_rarely
from actors.stubs import own_logs, remote_registry
from everruns.capabilities.registry import load_capabilities
from everruns.errors import EverrunsError, HostLost
from everruns.log import configure_log, error_kind
from everruns.registry.registry import Registry
from everruns.runtime.host import SessionHost
from everruns.runtime.loading import OwnLoading
from everruns.runtime.tracing import open_traces
from everruns.settings_loading import load_settings
from everruns.telemetry.ended_turns import EndedTurns
from everruns.telemetry.meters import Meters
from everruns.telemetry.metrics import SPANS_DROPPED
from everruns.telemetry.observing import GatheredObservers
from everruns.telemetry.turn_log import log_turn
from everruns.telemetry.turn_meters import TurnMeters

# Less than hosts are given to close.
TURNS_TIMEOUT_S = 0.5
TRACES_TIMEOUT_S = 0.5

log = structlog.get_logger(__name__)


class SessionActor(RpcActor):
    """Holds live sessions and runs their turns.

    Named ``session-actor-<n>``, and restarted by Ray when it dies. The registry watches it (see
    ``HostWatch``): the sessions of an earlier life are placed again and resumed.

    Args:
        name: The actor's own name.
        settings: The deployment's settings, without secrets.
    """

    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        own = load_settings(**settings)
        super().__init__(own.node_port_range)
        configure_log(own.log_level, actor=name, node=self.node)
        meters = Meters()
        logs = own_logs(own, meters)
        registry = remote_registry(logs)
        traces = open_traces(own, registry.agents, partial(_count_dropped, meters))
        self._ended_turns = EndedTurns(
            registry.logs.events,
            [log_turn, traces.report] if traces else [log_turn],
            with_contents=own.trace_content and traces is not None,
        )
        self._traces = traces
        self._observers = GatheredObservers([self._ended_turns, TurnMeters(meters)])
        self._host = SessionHost(
            name,
            registry,
            load_capabilities(),
            own,
            local_model,
            self.node,
            self.own_address,
            OwnLoading(registry.hosting, logs) if logs else None,
            observers=[self._observers],
            meters=meters,
        )
        self._host.at_close = self._report_the_rest
        collect_rarely()
        self._exporting = export_metrics(meters, "session actor", self._refresh_meters)
        self._meeting = asyncio.ensure_future(_meet(registry))
        self._tidying = asyncio.ensure_future(self._host.tidy())
        self._reporting = asyncio.ensure_future(self._ended_turns.run())
        self._tracing = asyncio.ensure_future(traces.run()) if traces else None

    def _refresh_meters(self) -> None:
        self._observers.settle()
        self._host.held.refresh_gauges()

    async def _report_the_rest(self) -> None:
        self._observers.settle()
        await self._ended_turns.close(TURNS_TIMEOUT_S)
        if self._traces:
            await self._traces.close(TRACES_TIMEOUT_S)

    def __repr__(self) -> str:
        return describe_actor("session host: live sessions and their turns")

    async def targets(self) -> Mapping[str, object]:
        """Return the host."""
        return {"host": self._host}


def _count_dropped(meters: Meters, spans: int) -> None:
    meters.add(SPANS_DROPPED, amount=spans)


async def _meet(registry: Registry) -> None:
    """Connect to the registry at once: when it is needed, Ray may not be there to find it."""
    while True:
        try:
            await registry.ready()
        except HostLost:
            continue  # It has been looked for as long as every call looks for it.
        except EverrunsError as error:
            log.info("registry is not ready", error=error_kind(error))
        return
