"""``make bench-limits``: what one server costs and where it ends, beside what is asked of it."""

import argparse
import time
from collections.abc import Callable

from rich.console import Console

from bench.limits import cold, growth, idle, ready, steps, waiting
from bench.limits.report import Report, show, show_targets

MEASUREMENTS: dict[str, Callable[[Console], list[Report]]] = {
    "waiting": waiting.measure,
    "cold": cold.measure,
    "steps": steps.measure,
    "idle": idle.measure,
    "ready": ready.measure,
    "growth": growth.measure,
}
# It starts a dozen servers, and has no targets.
ON_REQUEST = frozenset({"growth"})

# As wide as the widest table, whatever the terminal is: the tables are there to be copied.
out = Console(width=160, highlight=False)


def main() -> None:
    """Measure and print."""
    wanted = read_options(None).only
    started = time.monotonic()
    reports: list[Report] = []
    for name in wanted:
        out.print(f"Measuring {name}", style="bold")
        found = MEASUREMENTS[name](out)
        for report in found:
            show(out, report)
        reports += found
    show_targets(out, reports)
    out.print(f"Measured in {(time.monotonic() - started) / 60:.1f} min")


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    """Return what was asked for; a wrong name ends the program and is answered with the right ones.

    Args:
        arguments: The words after the program's name; ``None`` takes those it was started with.
    """
    usual = [name for name in MEASUREMENTS if name not in ON_REQUEST]
    parser = argparse.ArgumentParser(prog="python -m bench.limits", description=__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(MEASUREMENTS),
        default=usual,
        metavar="NAME",
        help=f"measure these alone, of {', '.join(MEASUREMENTS)} (all but {', '.join(ON_REQUEST)})",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
