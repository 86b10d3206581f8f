"""A conversation with the server under test: a session, its scenario, and a follower."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.cluster.running import running_cluster
from tests.faults.checks import (
    check_answered,
    check_log,
    check_model_calls,
    check_tools,
    check_view,
)
from tests.faults.client import Client, Event, Follower, connected
from tests.faults.cluster import ClusterService
from tests.faults.model import ModelServer, Scenario, Script
from tests.faults.plugin import CAPABILITY, write_package
from tests.faults.processes import Role, Service, paused

CANCEL_WITHIN_S = 10.0
# Nothing shows from outside that an append is on its way to a registry that does not answer.
ON_ITS_WAY_S = 0.3


@dataclass
class Talk:
    """One session, from both ends.

    Attributes:
        client: What sends.
        follower: What reads.
        scenario: What its model says and was asked.
        session_id: The session.
        sent: The ids of the messages that were acknowledged, in order.
    """

    service: Service | ClusterService
    client: Client
    follower: Follower
    scenario: Scenario
    session_id: str
    sent: list[str] = field(default_factory=list)
    _numbered: int = 0

    async def send(self, text: str = "Go on.") -> str:
        """Send the next message."""
        number, self._numbered = self._numbered, self._numbered + 1
        identity = await self.client.send(self.session_id, self.scenario.message(number, text))
        self.sent.append(identity)
        return identity

    async def begin_turn(self, *held: str) -> psutil.Process:
        """Send the next message; return the session actor that runs its turn.

        Args:
            held: Gates that the turn is not to pass. Its script has one of the name ``begin``.
        """
        gates = self.scenario.gates
        for name in ("begin", *held):
            gates[name].hold()
        await self.send()
        await gates["begin"].reached()
        holder = await self.holder()
        gates["begin"].open()
        return holder

    @contextmanager
    def registry_paused(self) -> Iterator[None]:
        """Keep whatever is appended from arriving."""
        with paused(*self.service.processes(Role.REGISTRY)):
            yield

    async def holder(self) -> psutil.Process:
        """Return the session actor that runs the turn; a model call must be under way."""
        call = self.scenario.calls[-1]
        return await asyncio.to_thread(self.service.session_actor_at, call.host, call.port)

    async def check(self, faults: Sequence[float], *, completed: bool = True) -> list[Event]:
        """Check all that must hold; return the log.

        Args:
            faults: When there were faults, on the monotonic clock.
            completed: Whether every turn must have completed.
        """
        log = await self.client.log(self.session_id)
        await self.follower.until(lambda: len(self.follower.events) >= len(log))
        check_log(log, self.sent)
        check_view(log, self.follower)
        check_model_calls(self.scenario, self.follower, faults)
        check_tools(self.scenario)
        if completed:
            check_answered(log, self.scenario)
        return log


@dataclass
class World:
    """The server under test and what stands around it."""

    service: Service | ClusterService
    model: ModelServer

    @asynccontextmanager
    async def talk(self, script: Script, **agent: Any) -> AsyncIterator[Talk]:
        """Open a session with an agent whose model follows a script."""
        async with connected(lambda: self.service.address) as client:
            model_id = await self.model_id(client)
            async with self.talk_over(client, model_id, script, **agent) as talk:
                yield talk

    @asynccontextmanager
    async def talk_over(
        self, client: Client, model_id: str, script: Script, **agent: Any
    ) -> AsyncIterator[Talk]:
        """Open a session over a client that is there already."""
        name = uuid.uuid4().hex[:8]
        scenario = self.model.scenario(name, script)
        created = await client.post(
            "/v1/sessions", {"model_id": model_id, "capabilities": [CAPABILITY], **agent}
        )
        try:
            async with client.following(created["id"]) as follower:
                yield Talk(self.service, client, follower, scenario, created["id"])
        except BaseException:
            # A turn that does not end would go on beside the next test.
            with suppress(TimeoutError):
                async with asyncio.timeout(CANCEL_WITHIN_S):
                    await client.post(f"/v1/sessions/{created['id']}/cancel", {})
            raise
        finally:
            scenario.gates.open_all()

    async def model_id(self, client: Client) -> str:
        """Return the scripted model, which is made known once."""
        offered = await client.get("/v1/models", search="scripted")
        if not offered["data"]:
            provider = {
                "name": "scripted",
                "provider_type": "openai",
                "base_url": self.model.url,
                "api_key": "sk-scripted",
                "models": [{"model_id": "scripted"}],
            }
            return (await client.post("/v1/llm-providers", provider))["models"][0]["id"]
        return offered["data"][0]["id"]


@contextmanager
def running_world(folder: Path, **settings: str) -> Iterator[World]:
    """Start a server, a model and tools that it reaches; stop them afterwards.

    Args:
        folder: Where to keep what they keep.
        settings: More settings of the server, by their names in capitals.
    """
    with ModelServer().running() as model:
        given = {
            "DASHBOARD": "false",
            # One that dies and one that goes on.
            "MAX_SESSION_ACTORS": "2",
            "ALLOW_PRIVATE_ADDRESSES": "true",
            **settings,
        }
        environment = {
            **write_package(folder / "package", model.tools_url),
            "EVERRUNS_DATA_DIR": str(folder / "data"),
            **{f"EVERRUNS_{name}": value for name, value in given.items()},
        }
        service = Service(environment)
        service.start()
        try:
            yield World(service, model)
        finally:
            service.stop()


def cluster_of(world: World) -> ClusterService:
    """Return the service of a world that is a cluster."""
    assert isinstance(world.service, ClusterService)
    return world.service


@contextmanager
def cluster_world(nodes: int, **options: Any) -> Iterator[World]:
    """Start a cluster, and a model and tools that its nodes reach."""
    with ExitStack() as stack:
        models: list[ModelServer] = []

        def surroundings(folder: Path, gateway: str) -> Mapping[str, str]:
            models.append(stack.enter_context(ModelServer(gateway).running()))
            return write_package(folder / "package", models[0].tools_url)

        with running_cluster(nodes, environment=surroundings, **options) as cluster:
            yield World(ClusterService(cluster), models[0])
