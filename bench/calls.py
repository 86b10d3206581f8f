"""``python -m bench.calls``: what a call between two processes costs, by the way it takes.

Two actors call a third one: over its socket's file, over TLS as between nodes, and through Ray.
CPU is that of caller and callee together, the kernel's share included.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import psutil
import ray
from rich.console import Console
from rich.table import Table

from actors.calls.direct import DirectConnection
from actors.calls.rpc_actor import RayConnection, RpcActor

SIZE_BYTES = 2048
ROUNDS = 3
CALLS = 2000
AT_ONCE = (1, 16)
FAR = "another node"

Connect = Callable[[Any], Awaitable[Any]]


class Echo(RpcActor):
    """Answers with what it was asked."""

    async def targets(self) -> Mapping[str, object]:
        """Return nothing: requests are not decoded."""
        return {}

    async def _respond(self, request: bytes) -> bytes:
        return request

    @ray.method
    def cpu_s(self) -> float:
        """Return the CPU that this process has used."""
        return _cpu_s()


class Caller:
    """Calls the other actor."""

    @ray.method
    async def run(self, way: str, callee: Any, at_once: int) -> "Cost":
        """Make calls and return what one costs."""
        connection = await WAYS[way](callee)
        request = bytes(SIZE_BYTES)
        left = iter(range(CALLS))

        async def call() -> None:
            for _ in left:
                assert len(await connection.call(request)) == SIZE_BYTES

        await connection.call(request)
        before = _cpu_s() + await callee.cpu_s.remote()
        began = time.perf_counter()
        await asyncio.gather(*(call() for _ in range(at_once)))
        took_s = time.perf_counter() - began
        cpu_s = _cpu_s() + await callee.cpu_s.remote() - before
        connection.close()
        return Cost(1000 * cpu_s / CALLS, 1000 * took_s * at_once / CALLS)


class Cost(NamedTuple):
    """What a call costs.

    Attributes:
        cpu_ms: CPU of both ends.
        latency_ms: How long the caller waits.
    """

    cpu_ms: float
    latency_ms: float


def _cpu_s() -> float:
    used = psutil.Process().cpu_times()
    return used.user + used.system


async def _over_file(callee: Any) -> DirectConnection:
    node = ray.get_runtime_context().get_node_id()
    return await DirectConnection.connect(await callee.address.remote(node), node)


async def _over_tls(callee: Any) -> DirectConnection:
    return await DirectConnection.connect(await callee.address.remote(FAR), FAR)


async def _through_ray(callee: Any) -> RayConnection:
    return RayConnection(callee)


WAYS: Mapping[str, Connect] = {
    "socket": _over_file,
    "TLS": _over_tls,
    "Ray": _through_ray,
}


def main() -> None:
    """Measure and print."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    actor = {"num_cpus": 0, "max_concurrency": 1000}
    callee: Any = ray.remote(Echo).options(**actor).remote()
    caller: Any = ray.remote(Caller).options(**actor).remote()
    table = Table("Way", "At once", "CPU, both ends", "Latency", title=f"Calls of {SIZE_BYTES} B")
    for at_once in AT_ONCE:
        for way in WAYS:
            costs = [ray.get(caller.run.remote(way, callee, at_once)) for _ in range(ROUNDS)]
            best = min(costs)
            table.add_row(way, str(at_once), f"{best.cpu_ms:.3f} ms", f"{best.latency_ms:.3f} ms")
    Console().print(table)
    ray.shutdown()


if __name__ == "__main__":
    main()
