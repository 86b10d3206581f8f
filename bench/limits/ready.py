"""``ready``: seconds from the start of the process to the first answer of its API."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from rich.console import Console

from bench.checkout import Checkout
from bench.limits.processes import cpu_by_role, usages
from bench.limits.report import Report, Target
from bench.limits.starting import DIRECT, DIRECT_NAME, EMPTY, SERVER, running_until_answered


@dataclass(frozen=True)
class Program:
    """What is started.

    Attributes:
        words: The module and its arguments.
        environment: Variables to add.
    """

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


EMPTY_NAME, SERVER_NAME = "empty application", "server"
PROGRAMS = {EMPTY_NAME: Program(EMPTY), SERVER_NAME: Program(SERVER)}
ROUNDS = 3
TARGET_S = 4.0
SHOWN_CPU_S = 0.3


def measure_direct(out: Console, checkout: Checkout) -> list[Report]:
    """Start a server that serves without Ray Serve in turn as well."""
    return measure(out, checkout, {**PROGRAMS, DIRECT_NAME: Program(SERVER, DIRECT)})


def measure(
    out: Console, checkout: Checkout, programs: Mapping[str, Program] = PROGRAMS
) -> list[Report]:
    """Start an empty Serve application and a server in turns."""
    taken: dict[str, list[float]] = defaultdict(list)
    spent: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in programs}
    for number in range(1, ROUNDS + 1):
        for name, program in programs.items():
            running = running_until_answered(
                *program.words, checkout=checkout, **program.environment
            )
            with running as server:
                seconds, cpu = server.ready_s, cpu_by_role({}, usages(server, memory=False))
            taken[name].append(seconds)
            spent_s = sum(cpu.values())
            for role, cpu_s in {"all": spent_s, **cpu}.items():
                spent[name][role].append(cpu_s)
            out.print(f"  round {number}, {name}: {seconds:.1f} s, {spent_s:.1f} s of CPU")
    floor, ours = median(taken[EMPTY_NAME]), median(taken[SERVER_NAME])
    times = Report(
        "Ready: from the start of the process to the first GET /health",
        ("", "Seconds", "Each time"),
        [
            (name, f"{median(values):.1f}", ", ".join(f"{value:.1f}" for value in values))
            for name, values in taken.items()
        ],
        [Target("seconds to ready, above an empty application", ours - floor, TARGET_S)],
    )
    return [times, _cpu_report(spent)]


def _cpu_report(spent: dict[str, dict[str, list[float]]]) -> Report:
    medians = {
        name: {role: median(values) for role, values in roles.items()}
        for name, roles in spent.items()
    }
    most = {
        role: max(spent_s.get(role, 0) for spent_s in medians.values())
        for roles in medians.values()
        for role in roles
    }
    return Report(
        "CPU seconds that the processes took until then",
        ("Process", *spent),
        [
            (role, *(f"{spent_s.get(role, 0):.1f}" for spent_s in medians.values()))
            for role in sorted(most, key=lambda role: -most[role])
            if most[role] >= SHOWN_CPU_S
        ],
    )
