"""``make bench-limits``: what one server costs and where it ends, compared with its targets.

With ``--checkout``, each measurement is made of one version after the other, in one run.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable

from rich.console import Console

from bench.checkout import HERE, Checkout, read_checkout
from bench.limits import (
    cold,
    grep,
    growth,
    idle,
    idle_streams,
    loaded,
    long_session,
    ready,
    steps,
    unreadable,
    waiting,
    wide,
)
from bench.limits.report import Report, show, show_targets

MEASUREMENTS: dict[str, Callable[[Console, Checkout], list[Report]]] = {
    "waiting": waiting.measure,
    "cold": cold.measure,
    "steps": steps.measure,
    "idle": idle.measure,
    "ready": ready.measure,
    "loaded": loaded.measure,
    "idle-streams": idle_streams.measure,
    "unreadable": unreadable.measure,
    "grep": grep.measure,
    "long-session": long_session.measure,
    "wide": wide.measure,
    "growth": growth.measure,
    "idle-direct": idle.measure_direct,
    "ready-direct": ready.measure_direct,
}
# "growth" starts a dozen servers, and has no targets. Those that end in "-direct" repeat other
# measurements with one more server, which serves without Ray Serve.
ON_REQUEST = frozenset({"growth", "idle-direct", "ready-direct"})

# As wide as the widest table, whatever the terminal is: the tables are there to be copied.
out = Console(width=160, highlight=False)


def main() -> None:
    """Measure and print."""
    options = read_options(None)
    started = time.monotonic()
    reports: dict[str, list[Report]] = defaultdict(list)
    for name in options.only:
        for checkout in options.checkout:
            out.print(f"Measuring {name} of {checkout.name}", style="bold")
            found = MEASUREMENTS[name](out, checkout)
            for report in found:
                show(out, report)
            reports[checkout.name] += found
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
    parser.add_argument(
        "--checkout",
        nargs="+",
        type=read_checkout,
        default=[HERE],
        metavar="PATH",
        help="measure the servers of these checkouts, each after the other (this one)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
