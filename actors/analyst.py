"""The analyst actor: queries of the archive in a process of their own.

Started on the head node when somebody asks first, since the archive is in the data directory
there; it ends when nobody has asked for a while, and when the registry has nothing new for it.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import ray
import structlog

from actors.calls.rpc_actor import ActorChannel, RpcActor
from actors.calls.stub import stub
from actors.names import ANALYST, HEAD_NODE, MAX_CONCURRENCY, describe_actor, detached
from actors.processes import collect_rarely
from actors.stubs import remote_registry
from everruns.archive.analyst import Analyst
from everruns.errors import EverrunsError
from everruns.log import configure_log, error_kind
from everruns.registry.database import Database
from everruns.registry.history import History
from everruns.registry.registry import Registry
from everruns.settings import Settings
from everruns.settings_loading import load_settings
from everruns.storage.history import HeadQuery, Totals

PATIENCE_S = 15.0
IDLE_TIMEOUT_S = 600.0
# How far behind the archive may be when nobody asks.
CATCHES_UP_EVERY_S = 3600.0
CATCHES_UP_EVENTS = 50_000
LOOKS_AT_STORE_EVERY_S = 60.0
# Only the totals are of interest.
NOTHING = HeadQuery(since_ms=2**53, limit=1)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class AnalystActor(RpcActor):
    """Keeps the archive and answers queries of it.

    Args:
        settings: The deployment's settings, without secrets.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        own = load_settings(**settings)
        super().__init__(own.node_port_range)
        configure_log(own.log_level, actor=ANALYST, node=self.node)
        self._analyst = Analyst(own.data_dir, _history(own))
        collect_rarely()
        self._ending = asyncio.ensure_future(self._end_when_idle())

    def __repr__(self) -> str:
        return describe_actor("analyst: archive and queries")

    async def targets(self) -> Mapping[str, object]:
        """Return the analyst."""
        return {ANALYST: self._analyst}

    async def _end_when_idle(self) -> None:
        await self._analyst.idle(IDLE_TIMEOUT_S)
        await self._analyst.close()
        # Whoever asks at this moment starts another one.
        ray.kill(ray.get_runtime_context().current_actor, no_restart=True)


def _history(settings: Settings) -> History:
    """Return where the archive is copied from: the database itself, if it can be opened here."""
    if settings.database_url is None:
        return remote_registry().history
    from everruns.storage.postgres.joining import join_postgres  # noqa: PLC0415

    return History(Database(join_postgres(settings.database_url)))


def remote_analyst(settings: dict[str, Any]) -> Analyst:
    """Return the analyst's stub, whose first call starts the actor.

    Args:
        settings: The deployment's settings, without secrets.
    """
    channel = ActorChannel(lambda: _ensure_analyst(settings), PATIENCE_S)
    return stub(Analyst, channel, ANALYST, PATIENCE_S)


def _ensure_analyst(settings: dict[str, Any]) -> Any:
    actor = detached(
        AnalystActor,
        ANALYST,
        resources=HEAD_NODE,
        max_concurrency=MAX_CONCURRENCY,
        get_if_exists=True,
    )
    return actor.remote(settings)


async def keep_archive(registry: Registry, analyst: Analyst) -> None:
    """Have the archive brought up to date now and then, so that no query waits for long.

    Sessions that were deleted leave its files within an hour in this way.

    Args:
        registry: The registry of this process.
        analyst: The analyst's stub.
    """
    done, caught_up_at = Totals(), time.monotonic()
    while True:
        await asyncio.sleep(LOOKS_AT_STORE_EVERY_S)
        try:
            totals = (await registry.history.heads(NOTHING)).totals
            is_due = time.monotonic() - caught_up_at > CATCHES_UP_EVERY_S
            if abs(totals.events - done.events) > CATCHES_UP_EVENTS or (is_due and totals != done):
                while await analyst.catch_up():
                    pass
                done, caught_up_at = totals, time.monotonic()
        except EverrunsError as error:
            log.warning("archive not brought up to date", error=error_kind(error))
