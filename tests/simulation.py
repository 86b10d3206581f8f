"""A cluster in one process and in no time: real registry, hosts and runtimes, simulated in between.

What is simulated is what a cluster adds: processes that die, restart and stand still, calls that
take their time or are lost on the way, and the clock. A second passes as soon as nothing else is
to be done, so minutes of a cluster's life take milliseconds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from actors.calls.channels import ReconnectingChannel
from actors.calls.contract import decode_request, method_of
from actors.calls.dispatch import dispatch
from actors.calls.registry_stub import registry_stub, registry_targets
from actors.calls.stub import stub
from everruns.archive.analyst import Analyst
from everruns.capabilities.base import Capability
from everruns.capabilities.registry import load_capabilities
from everruns.domain.events import Event
from everruns.domain.llm import ProviderAccount
from everruns.domain.sessions import Session
from everruns.errors import HostLost
from everruns.providers.base import Driver
from everruns.registry.database import Database
from everruns.registry.logs import Appended, LoadedSession, Logs
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.registry.reports import Digest
from everruns.runtime.held import HeldSessions
from everruns.runtime.host import SessionHost
from everruns.runtime.loading import OwnLoading
from everruns.runtime.reconciler import Reconciler
from everruns.runtime.routes import PATIENCE_S
from everruns.runtime.runtime import Runtime
from everruns.runtime.watch import HostWatch
from everruns.settings import Settings
from everruns.storage.logs import Append, EventQuery
from everruns.storage.memory.store import MemoryStore
from everruns.storage.store import Store
from everruns.tools.function import tool
from tests.simulated_model import ScenarioDriver
from tests.simulated_processes import (
    Process,
    SimulatedLoop,
    end_with_the_process,
    here,
    start_in_its_process,
)
from tests.witness import Witness

Answer = TypeVar("Answer")

HOSTS = ("host-0", "host-1", "host-2")
RESTART_S = 2.0
HOSTS_PATIENCE_S = 30.0


class SimulatedConnection:
    """The connection to one life of a process; it carries what travels on a real cluster."""

    def __init__(self, cluster: "Cluster", name: str) -> None:
        self._cluster = cluster
        self._name = name
        self._process = cluster.processes[name]

    async def call(self, request: bytes) -> bytes:
        try:
            return await self._cluster.call(self._name, self._process, request)
        except HostLost as error:
            end_with_the_process()
            raise ConnectionResetError from error

    def close(self) -> None:
        """Hold nothing."""


class SimulatedLogs(Logs):
    """The logs of one process, to which the store is as far away as another process."""

    def __init__(self, cluster: "Cluster", process: Process) -> None:
        super().__init__(Database(cluster.store))
        self._cluster = cluster
        self._process = process

    async def append(self, appends: Sequence[Append]) -> Appended:
        self._cluster.witness.note_asked(appends, self._process)
        return await self._there_and_back(partial(super().append, appends))

    async def take(self, session_id: str, life: int, *, whole: bool = False) -> LoadedSession:
        return await self._there_and_back(partial(super().take, session_id, life, whole=whole))

    async def events(self, session_id: str, query: EventQuery) -> Sequence[Event]:
        return await self._there_and_back(partial(super().events, session_id, query))

    async def get(self, session_id: str) -> Session:
        return await self._there_and_back(partial(super().get, session_id))

    async def _there_and_back(self, work: Callable[[], Awaitable[Answer]]) -> Answer:
        await self._cluster.travel(self._process)
        answer = await work()
        await self._cluster.travel(self._process)
        return answer


class Cluster:
    """Three hosts, one registry, replicas as wanted; all restart by themselves when they die.

    Args:
        shares_store: Whether all of them have the store open, rather than the registry alone.

    Attributes:
        store: What is on disk; in memory unless another store is given.
        witness: Who loaded and who appended.
        paid: How often each payment was made, by its token.
        asked: What the model was asked, call by call.
        lose_answers_of: Calls, by target and method, each of which is once carried out and then not
            answered: the process dies in between.
    """

    def __init__(
        self,
        random: Random,
        sessions_per_host: int = 4,
        hosts: int = len(HOSTS),
        store: Store | None = None,
        *,
        shares_store: bool = False,
    ) -> None:
        self.store = store or MemoryStore()
        self._shares_store = shares_store
        self.witness = Witness()
        self.witness.watch(self.store)
        self.paid: dict[str, int] = {}
        self.asked: list[str] = []
        self.lose_answers_of: list[tuple[str, str]] = []
        self.processes: dict[str, Process] = {}
        self._targets: dict[Process, dict[str, Any]] = {}
        self._random = random
        self._hosts = HOSTS[:hosts]
        self._settings = Settings(
            data_dir="unused",
            delta_pace_ms=0,
            hibernate_after_s=20,
            openai_api_key=None,
            anthropic_api_key=None,
        )
        self._sessions_per_host = sessions_per_host

        @tool()
        async def pay(token: str) -> str:
            """Pay."""
            await here.get().pass_border()
            self.paid[token] = self.paid.get(token, 0) + 1
            await asyncio.sleep(0.5)
            return "paid"

        kit = Capability("kit", "Kit", "What a test wrote.", tools=(pay,))
        self._capabilities = {**load_capabilities(), kit.id: kit}

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop)
        loop.set_task_factory(start_in_its_process)
        loop.work_s = lambda: self._random.choice((0.001, 0.003, 0.003, 0.25))
        for name in self._hosts:
            self._start_host(name)
        await self._start_registry()

    # Processes

    def _start_host(self, name: str) -> None:
        process = self.processes[name] = Process(name)

        async def live() -> None:
            logs = self._own_logs(process)
            registry = self._remote_registry(logs)
            host = SessionHost(
                name,
                registry,
                self._capabilities,
                self._settings,
                loading=OwnLoading(registry.hosting, logs) if logs else None,
            )

            async def scripted(_account: ProviderAccount) -> Driver:
                return ScenarioDriver(self.asked, self.crash)

            host.environment.driver = scripted
            self._targets[process] = {"host": host}
            await host.tidy()

        process.start(live())

    def _start_registry(self) -> asyncio.Task[None]:
        process = self.processes["registry"] = Process("registry")
        return process.start(self._begin_registry(process))

    def replace_registry(self) -> None:
        """Start another registry, as if this one were gone, while it goes on."""
        if self.processes["registry"] in self._targets:
            self._start_registry()

    async def _begin_registry(self, process: Process) -> None:
        placement = Placement(self._sessions_per_host, warm_hosts=0, max_hosts=len(self._hosts))
        registry = Registry(self.store, self._capabilities, placement)
        registry.hosting.hands_over_new_only = self._shares_store
        await registry.life.begin()
        await registry.seed(self._settings, has_local_model=False)
        reconciler = Reconciler(registry.hosting, self.find_host)
        watch = HostWatch(registry, self.find_host, reconciler.wake)
        await watch.adopt(self._hosts)
        process.start(reconciler.run())
        process.start(self._step_aside(registry, process))
        self.registry = registry
        self._targets[process] = registry_targets(registry)

    async def _step_aside(self, registry: Registry, process: Process) -> None:
        """End a registry's process when another has begun; nobody starts it again."""
        await registry.life.ended()
        await process.pass_border()
        asyncio.get_running_loop().call_soon(self._end, process)

    def _end(self, process: Process) -> None:
        process.die()
        self._targets.pop(process, None)

    def runtime(self, name: str) -> Runtime:
        """A replica's runtime; its calls are those of a process of this name."""
        process = self.processes.setdefault(name, Process(name))
        registry = self._remote_registry(self._own_logs(process), PATIENCE_S)
        return Runtime(registry, self.find_host, Analyst(Path("unused"), registry.history))

    def _own_logs(self, process: Process) -> SimulatedLogs | None:
        return SimulatedLogs(self, process) if self._shares_store else None

    def _remote_registry(
        self, logs: SimulatedLogs | None, patience_s: float = HOSTS_PATIENCE_S
    ) -> Registry:
        return registry_stub(self._channel_to("registry", patience_s), patience_s, logs)

    async def find_host(self, name: str) -> SessionHost:
        return stub(SessionHost, self._channel_to(name, 0), "host")

    def _channel_to(self, name: str, patience_s: float) -> ReconnectingChannel:
        async def connect() -> SimulatedConnection:
            if self.processes[name] not in self._targets:
                raise ConnectionResetError(f"{name} is starting.")
            return SimulatedConnection(self, name)

        return ReconnectingChannel(connect, patience_s)

    def crash(self, name: str) -> None:
        """Kill a process; Ray starts it again after a while."""
        process = self.processes[name]
        if not process.alive:
            return
        self._end(process)
        asyncio.get_running_loop().create_task(self._restart(name))

    async def _restart(self, name: str) -> None:
        await asyncio.sleep(RESTART_S * self._random.uniform(0.5, 2))
        if name == "registry":
            await self._start_registry()
        else:
            self._start_host(name)

    def holders(self, session_id: str) -> list[str]:
        """Who believes that a session is there: hosts, and the registry's placement."""
        hosts = [
            name
            for name in self._hosts
            if session_id in self._targets[self.processes[name]]["host"].held._sessions
        ]
        placed = self.registry.placement.find(session_id)
        return [*hosts, *([f"placed on {placed}"] if placed else [])]

    def check_digests(self) -> None:
        """Check that hosts and placement tell of themselves what they hold, and hold the same."""
        placement = self.registry.placement
        assert placement.hosts.keys() == set(self._hosts)
        for name in self._hosts:
            held: HeldSessions = self._targets[self.processes[name]]["host"].held
            assert held.digest == Digest.of(held._sessions) == placement.digests[name]

    def pause(self, name: str) -> None:
        self.processes[name].running.clear()

    def go_on(self, name: str) -> None:
        self.processes[name].running.set()

    # Calls

    async def call(self, name: str, process: Process, request: bytes) -> bytes:
        """Carry out a call in another process, as a network and Ray would."""
        caller = here.get(None)
        await self.travel(caller)
        await process.pass_border()
        targets = self._targets[process]
        called = decode_request(request)
        if called.method == "append" and caller is not None:
            [appends], _ = method_of(targets[called.target], called).decode_arguments(called)
            self.witness.note_asked(appends, caller)

        async def find_targets() -> dict[str, object]:
            return targets

        work = process.start(dispatch(find_targets, request), caller)
        try:
            answered = await asyncio.shield(work)
        except asyncio.CancelledError:
            if process.alive:
                raise
            end_with_the_process()
            raise HostLost(f"{name} died.") from None
        finally:
            await process.pass_border()
        if (called.target, called.method) in self.lose_answers_of:
            self.lose_answers_of.remove((called.target, called.method))
            self.crash(name)
            await process.pass_border()
        await self.travel(caller)
        return answered

    async def travel(self, caller: Process | None) -> None:
        """Take a moment, now and then a long one."""
        await asyncio.sleep(self._random.choice((0.001, 0.001, 0.002, 0.01, 0.3)))
        if caller is not None:
            await caller.pass_border()
