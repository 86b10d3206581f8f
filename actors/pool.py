"""The pool of session actors: started in advance, stopped when long unused, moved off old nodes."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ray
import structlog
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.departures import Departures
from actors.local_model import end_local_model
from actors.names import MAX_CONCURRENCY, NAMESPACE, SESSION_ACTOR, detached, find_actor
from actors.nodes import Nodes, has_room, read_nodes
from actors.session import SessionActor
from everruns.registry.placement import Placement
from everruns.runtime.watch import HostWatch
from everruns.settings import Settings

INTERVAL_S = 0.25
RETRY_S = 5.0
STOP_AFTER_S = 60.0
START_TIMEOUT_S = 60.0
LOOK_EVERY_S = 1.0
# Where the cluster is one machine, so that no node joins or leaves.
LOOK_SELDOM_S = 10.0
# How soon an actor that was lost is back where its node is still there.
BACK_WITHIN_S = 5.0
LONGEST_REST_S = 10.0

log = structlog.get_logger(__name__)


class SessionActorPool:
    """Keeps as many session actors as placement wants, on nodes that stay.

    Starting an actor costs a second of CPU, or the time until a node has room, so no request waits
    for one: placement shares the existing actors in the meantime. Ray restarts actors that die.

    Args:
        placement: Which actor holds which session.
        watch: Finds out when an actor is up and when it is lost.
        settings: The deployment's settings; the actors get them without secrets.
        reserved_cpus: The CPUs that each actor reserves. Ray puts actors that reserve none on any
            node at random, and asks for no further node for them.
        look: Returns the nodes as they are now.
        look_every_s: Seconds between two looks at the nodes.
    """

    def __init__(
        self,
        placement: Placement,
        watch: HostWatch,
        settings: Settings,
        reserved_cpus: float,
        look: Callable[[], Nodes] = read_nodes,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._placement = placement
        self._watch = watch
        self._settings = settings
        self._reserved_cpus = reserved_cpus
        self._look = look
        self._look_every_s = look_every_s
        self._departures = Departures(placement, reserved_cpus)
        self._nodes = Nodes({}, {})
        self._look_at = 0.0
        self._rest_until = 0.0
        self._surplus_since: float | None = None
        # Since when each is awaited, and which of them were asked for here, for which nodes.
        self._awaited: dict[str, float] = {}
        self._asked: dict[str, str | None] = {}
        self._emptying: dict[str, asyncio.Task[None]] = {}

    @property
    def nodes(self) -> Nodes:
        """The cluster's nodes as they were last seen, those that are left among the leaving."""
        return self._nodes

    async def adopt(self) -> None:
        """Find the session actors that an earlier life of the registry started."""
        named: list[Any] = await asyncio.to_thread(ray.util.list_named_actors, all_namespaces=True)
        await self._watch.adopt(
            actor["name"]
            for actor in named
            if actor["namespace"] == NAMESPACE and actor["name"].startswith(SESSION_ACTOR)
        )

    async def keep(self) -> None:
        """Start and stop session actors as placement requires, while the registry runs."""
        while True:
            try:
                await self._follow_nodes()
                self._keep()
                await asyncio.sleep(INTERVAL_S)
            except Exception:  # There must be session actors as long as there is a registry.
                log.exception("session actors not kept")
                await asyncio.sleep(RETRY_S)

    # Nodes that join and leave

    async def _follow_nodes(self) -> None:
        """Have as many session actors as the current nodes can use and carry."""
        if _now() < self._look_at:
            return
        self._look_at = _now() + self._look_every_s
        placement = self._placement
        self._nodes = nodes = self._departures.note(await asyncio.to_thread(self._look))
        placement.hosts_for_cpus = min(nodes.total_cpus, nodes.capacity(self._reserved_cpus))
        placement.max_hosts = self._settings.max_session_actors or self._capacity
        placement.note_leaving(nodes.leaving)
        here = {"", *nodes.cpus, *nodes.leaving}
        for node in set(placement.nodes.values()) - here:
            log.warning("node is gone", about_node=node)
            await self._watch.node_lost(node)
        for host in placement.hosts_on(nodes.leaving):
            self._empty(host)
        await self._departures.leave_surplus(nodes)
        await self._give_up_starts()

    @property
    def _capacity(self) -> int:
        """How many actors may be asked for.

        Where they reserve CPUs, a few more than there is room for: those that wait for a node are
        what an autoscaler adds one for.
        """
        carried = self._nodes.capacity(self._reserved_cpus)
        return carried + self._placement.warm_hosts if self._reserved_cpus else carried

    def _empty(self, name: str) -> None:
        """Empty and stop an actor on a node that is about to go, unless that is under way."""
        if name not in self._emptying:
            emptying = asyncio.create_task(self._empty_and_stop(name))
            self._emptying[name] = emptying
            emptying.add_done_callback(lambda _: self._emptying.pop(name))

    async def _empty_and_stop(self, name: str) -> None:
        if await self._watch.empty(name, lambda: self._departures.leave_by(name)):
            self._stop(name)

    # Starting

    def _keep(self) -> None:
        """Note which actors are up, and start or stop one."""
        placement, now = self._placement, _now()
        awaited = placement.starting | placement.overdue
        for name in self._asked.keys() - awaited:
            del self._asked[name]
            if len(self._nodes.cpus) == 1 and (self._emptiest or not self._reserved_cpus):
                # A start takes seconds of CPU: as long again is left to everything else.
                self._rest_until = now + min(now - self._awaited[name], LONGEST_REST_S)
        self._awaited = {name: self._awaited.get(name, now) for name in awaited}
        for name in placement.starting - self._asked.keys():
            # Ray restarts an actor at once, but on another node only when its own is known to be
            # gone, which takes a quarter of a minute.
            is_late = not placement.hosts or now - self._awaited[name] > BACK_WITHIN_S
            if is_late and len(self._nodes.cpus) > 1:
                placement.host_overdue(name)
        if (
            placement.hosts_to_start()
            and len(self._asked) < max(1, len(self._nodes.cpus))
            and now >= self._rest_until
        ):
            self._start_one()
        self._stop_surplus()

    def _start_one(self) -> None:
        taken = self._placement.hosts.keys() | self._awaited.keys()
        number = next(n for n in range(len(taken) + 1) if f"{SESSION_ACTOR}{n}" not in taken)
        name = f"{SESSION_ACTOR}{number}"
        node = self._emptiest
        if node is None and self._departures.take_back():
            self._look_at = 0.0
            return
        self._placement.host_starting(name)
        self._asked[name] = node
        self._awaited[name] = _now()
        try:
            detached(
                SessionActor,
                name,
                max_restarts=-1,
                num_cpus=self._reserved_cpus,
                # Ray's own way to spread takes node after node, however full.
                scheduling_strategy=_at_best_on(node) if node else "SPREAD",
                max_concurrency=MAX_CONCURRENCY,
                get_if_exists=True,
            ).remote(name, self._settings.public())
        except RayError:
            log.warning("session actor did not start", host=name)
            self._stop(name)
        else:
            self._watch.watch(name)

    @property
    def _emptiest(self) -> str | None:
        """The node for the next actor; ``None`` if none has room, or actors reserve nothing."""
        if not self._reserved_cpus:
            return None
        actors = Counter([*self._placement.nodes.values(), *filter(None, self._asked.values())])
        return self._nodes.emptiest(self._reserved_cpus, actors)

    async def _give_up_starts(self) -> None:
        """Stop what is long awaited, unless it waits for a node and is still wanted."""
        placement, oldest = self._placement, _now() - START_TIMEOUT_S
        late = {name for name, since in self._awaited.items() if since < oldest}
        if not late:
            return
        is_stuck = await asyncio.to_thread(has_room, self._reserved_cpus)
        # Some may have come meanwhile.
        for name in late & (placement.starting | placement.overdue):
            is_wanted = name in placement.starting and not placement.starts_too_many
            if is_stuck or not is_wanted:
                log.warning("session actor did not start", host=name, wanted=is_wanted)
                self._stop(name)

    # Stopping

    def _stop_surplus(self) -> None:
        """Stop an empty actor that has been one too many for a while."""
        surplus = self._placement.hosts_to_stop()
        if not surplus:
            self._surplus_since = None
        elif self._surplus_since is None:
            self._surplus_since = _now()
        elif _now() - self._surplus_since > STOP_AFTER_S:
            self._stop(surplus[0])

    def _stop(self, name: str) -> None:
        node = self._placement.nodes.get(name)
        self._watch.forget(name)
        with suppress(ValueError, RayError):  # It has already ended.
            ray.kill(find_actor(name), no_restart=True)
        if node and not self._placement.hosts_on([node]):
            # What is left there would keep the node from going.
            end_local_model(node)


def _at_best_on(node: str) -> NodeAffinitySchedulingStrategy:
    """Return the wish for a node; another application may have taken its room."""
    return NodeAffinitySchedulingStrategy(node, soft=True, _spill_on_unavailable=True)


def _now() -> float:
    return asyncio.get_running_loop().time()
