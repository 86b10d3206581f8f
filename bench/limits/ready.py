"""``ready``: seconds from the start of the process to the first answer of its API."""

from collections import defaultdict
from statistics import median

from rich.console import Console

from bench.checkout import Checkout
from bench.limits.processes import cpu_by_role, usages
from bench.limits.report import Report, Target
from bench.limits.starting import EMPTY, SERVER, running_until_answered

PROGRAMS = {"empty application": EMPTY, "server": SERVER}
ROUNDS = 3
TARGET_S = 4.0
SHOWN_CPU_S = 0.3


def measure(out: Console, checkout: Checkout) -> list[Report]:
    """Start an empty Serve application and a server in turns."""
    taken: dict[str, list[float]] = defaultdict(list)
    spent: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in PROGRAMS}
    for number in range(1, ROUNDS + 1):
        for name, program in PROGRAMS.items():
            with running_until_answered(*program, checkout=checkout) as server:
                seconds, cpu = server.ready_s, cpu_by_role({}, usages(server, memory=False))
            taken[name].append(seconds)
            spent_s = sum(cpu.values())
            for role, cpu_s in {"all": spent_s, **cpu}.items():
                spent[name][role].append(cpu_s)
            out.print(f"  round {number}, {name}: {seconds:.1f} s, {spent_s:.1f} s of CPU")
    floor, ours = (median(values) for values in taken.values())
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
    floor, ours = medians.values()
    roles = sorted(floor | ours, key=lambda role: -max(ours.get(role, 0), floor.get(role, 0)))
    return Report(
        "CPU seconds that the processes took until then",
        ("Process", *PROGRAMS),
        [
            (role, f"{floor.get(role, 0):.1f}", f"{ours.get(role, 0):.1f}")
            for role in roles
            if max(ours.get(role, 0), floor.get(role, 0)) >= SHOWN_CPU_S
        ],
    )
