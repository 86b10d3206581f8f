"""``idle``: what an idle server uses, compared with an empty application on Ray."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from rich.console import Console

from bench.checkout import Checkout
from bench.limits.processes import (
    cpu_by_role,
    memory_by_role,
    usages,
    wait_for_rest,
    wait_for_session_actors,
)
from bench.limits.report import Report, Target
from bench.limits.starting import DIRECT, DIRECT_NAME, running_empty
from bench.server import Server, running_server

SECONDS = 20.0
STORED_SESSIONS = 100_000
LONG_EVENTS = 7
EMPTY_NAME, SERVER_NAME, FILLED_NAME = (
    "empty application",
    "server",
    f"{STORED_SESSIONS:,} sessions",
)
TARGET_PERCENT = 3.0
# What two measurements of the same thing may differ by.
SAME_PERCENT = 1.0
SAME_MB = 30.0


@dataclass(frozen=True)
class Idle:
    """What a server uses.

    Attributes:
        percent: Of one core, by role.
        memory: How many processes there are and their MB, by role.
    """

    percent: Mapping[str, float]
    memory: Mapping[str, tuple[int, float]]

    @property
    def all_percent(self) -> float:
        """Of one core, by all."""
        return sum(self.percent.values())

    @property
    def all_mb(self) -> float:
        """Memory of all."""
        return sum(size for _, size in self.memory.values())


def measure_direct(out: Console, checkout: Checkout) -> list[Report]:
    """Watch a server that serves without Ray Serve as well."""
    return measure(out, checkout, direct=True)


def measure(out: Console, checkout: Checkout, *, direct: bool = False) -> list[Report]:
    """Watch an empty application, an empty server and one with many stored sessions, at once.

    Side by side, so that what else the machine does meanwhile changes all of them alike.

    Args:
        out: Shows progress.
        checkout: The version whose servers are watched.
        direct: Whether to watch a server that serves without Ray Serve as well.
    """
    with TemporaryDirectory(prefix="everruns-bench-") as folder, ExitStack() as running:
        data_dir = Path(folder) / "many"
        checkout.fill(data_dir, STORED_SESSIONS, LONG_EVENTS)
        out.print(f"  stored {STORED_SESSIONS:,} sessions")
        servers = {
            EMPTY_NAME: running.enter_context(running_empty()),
            SERVER_NAME: running.enter_context(running_server(checkout=checkout)),
            FILLED_NAME: running.enter_context(
                running_server(checkout=checkout, EVERRUNS_DATA_DIR=str(data_dir))
            ),
        }
        if direct:
            servers[DIRECT_NAME] = running.enter_context(
                running_server(checkout=checkout, **DIRECT)
            )
        for server in list(servers.values())[1:]:
            wait_for_session_actors(server)
        for server in servers.values():
            wait_for_rest(server)
        found = _watch(servers)
    return [_cpu(found), _memory(found)]


def _watch(servers: Mapping[str, Server]) -> dict[str, Idle]:
    before = {name: usages(server, memory=False) for name, server in servers.items()}
    time.sleep(SECONDS)
    after = {name: usages(server) for name, server in servers.items()}
    found: dict[str, Idle] = {}
    for name in servers:
        spent = cpu_by_role(before[name], after[name])
        percent = {role: seconds / SECONDS * 100 for role, seconds in spent.items()}
        found[name] = Idle(percent, memory_by_role(after[name]))
    return found


def _cpu(found: Mapping[str, Idle]) -> Report:
    floor, ours, filled = found[EMPTY_NAME], found[SERVER_NAME], found[FILLED_NAME]
    rows = [("all", *(f"{idle.all_percent:.1f}" for idle in found.values()))]
    for role in ours.percent:
        shares = [idle.percent.get(role, 0.0) for idle in found.values()]
        if mean(shares) >= 0.05:
            rows.append((role, *(f"{share:.1f}" for share in shares)))
    return Report(
        f"Idle: percent of one core over {SECONDS:.0f} s",
        ("Process", *found),
        rows,
        [
            Target(
                "idle: percent of a core above an empty application",
                ours.all_percent - floor.all_percent,
                TARGET_PERCENT,
            ),
            Target(
                f"idle: further percent with {STORED_SESSIONS:,} stored sessions",
                filled.all_percent - ours.all_percent,
                SAME_PERCENT,
            ),
        ],
    )


def _memory(found: Mapping[str, Idle]) -> Report:
    ours, filled = found[SERVER_NAME], found[FILLED_NAME]
    rows = [("all", *(f"{idle.all_mb:.0f}" for idle in found.values()))]
    for role in ours.memory:
        sizes = [idle.memory.get(role, (0, 0.0)) for idle in found.values()]
        rows.append((role, *(f"{count} x {size / max(count, 1):.0f}" for count, size in sizes)))
    return Report(
        "Idle: private memory in MB, processes x each",
        ("Process", *found),
        rows,
        [
            Target(
                f"idle: further MB with {STORED_SESSIONS:,} stored sessions",
                filled.all_mb - ours.all_mb,
                SAME_MB,
            )
        ],
    )
