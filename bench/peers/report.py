"""What a comparison came to: medians, ratios and targets, and the tables that show them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from statistics import median
from typing import TypeVar

from rich import box
from rich.table import Table

from bench.peers.measuring import StreamFigures, TurnFigures

CLIENTS = (1, 16, 64)

Figures = TypeVar("Figures", TurnFigures, StreamFigures)


@dataclass(frozen=True)
class Result:
    """What one server came to.

    Attributes:
        name: Its row.
        durable: Whether what it acknowledged outlives its process.
        turns: By how many clients.
        streams: Of the many answers at once.
        memory_mb: Private memory of all its processes, afterwards.
    """

    name: str
    durable: bool
    turns: dict[int, TurnFigures]
    streams: StreamFigures
    memory_mb: float


@dataclass(frozen=True)
class Target:
    """A figure of ours next to one of theirs.

    Attributes:
        what: The figure.
        ours: Ours.
        theirs: That which it is held against, and whose it is.
        ratio: Ours by theirs.
        wanted: What the ratio should be.
        reached: Whether it is.
    """

    what: str
    ours: str
    theirs: str
    ratio: float
    wanted: str
    reached: bool


def median_of(rounds: Sequence[Result]) -> Result:
    """Return the median of each figure over rounds of one server."""
    first = rounds[0]
    return Result(
        first.name,
        first.durable,
        {
            clients: _median_figures([one.turns[clients] for one in rounds])
            for clients in first.turns
        },
        _median_figures([one.streams for one in rounds]),
        median(one.memory_mb for one in rounds),
    )


def _median_figures(rounds: Sequence[Figures]) -> Figures:
    kind = type(rounds[0])
    return kind(
        **{
            figure.name: median(getattr(one, figure.name) for one in rounds)
            for figure in fields(kind)
        }
    )


def judge(ours: Result, peers: Sequence[Result], ceiling: Result | None) -> list[Target]:
    """Hold our figures against the best of theirs.

    Args:
        ours: This server.
        peers: The others.
        ceiling: The turn by hand, which stores nothing and is no peer.
    """

    def against(
        what: str,
        figure: Callable[[Result], float],
        among: Sequence[Result],
        *,
        least: float | None = None,
        most: float | None = None,
        unit: str = "",
    ) -> list[Target]:
        if not among:
            return []
        best = (max if least is not None else min)(among, key=figure)
        ratio = figure(ours) / figure(best)
        reached = ratio >= least if least is not None else ratio <= (most or 0.0)
        wanted = f"at least {least:g}" if least is not None else f"at most {most:g}"
        theirs = f"{figure(best):,.1f}{unit} ({best.name})"
        return [Target(what, f"{figure(ours):,.1f}{unit}", theirs, ratio, wanted, reached)]

    def turns_per_s(one: Result) -> float:
        return one.turns[64].turns_per_s

    durable = [peer for peer in peers if peer.durable]
    hand = [ceiling] if ceiling else []
    return [
        *against("turns/s, 64 clients, best durable peer", turns_per_s, durable, least=3),
        *against("turns/s, 64 clients, by hand", turns_per_s, hand, least=0.65),
        *against(
            "first event p50, 1 client, best peer",
            lambda one: one.turns[1].first_event_p50,
            peers,
            most=1,
            unit=" ms",
        ),
        *against(
            "first event p99, 64 clients, best peer",
            lambda one: one.turns[64].first_event_p99,
            peers,
            most=0.5,
            unit=" ms",
        ),
        *against(
            "tokens/s, streams, best peer", lambda one: one.streams.tokens_per_s, peers, least=3
        ),
        Target(
            "first event p99, streams",
            f"{ours.streams.first_event_p99:,.1f} ms",
            "1,000 ms (fixed)",
            ours.streams.first_event_p99 / 1000,
            "below 1",
            ours.streams.first_event_p99 < 1000,
        ),
    ]


def turns_table(results: Sequence[Result], clients: int, ours: Result | None) -> Table:
    """Show what so many clients came to, each server's ratio to ours included."""
    table = _table(
        f"Turns of 20 tokens, {clients} client{'s' if clients > 1 else ''} (milliseconds)",
        "turns/s",
        "ours/theirs",
        "first event p50",
        "p99",
        "first token p50",
        "p99",
        "turn p50",
        "p99",
        "CPU a turn",
    )
    for result in results:
        figures = result.turns[clients]
        times = (
            figures.first_event_p50,
            figures.first_event_p99,
            figures.first_token_p50,
            figures.first_token_p99,
            figures.turn_p50,
            figures.turn_p99,
            figures.cpu_ms,
        )
        ratio = _ratio(ours and ours.turns[clients].turns_per_s, figures.turns_per_s)
        table.add_row(
            result.name, f"{figures.turns_per_s:.1f}", ratio, *(f"{time:,.1f}" for time in times)
        )
    return table


def streams_table(results: Sequence[Result], ours: Result | None, streams: int) -> Table:
    """Show what many answers at once came to, each server's ratio to ours included."""
    table = _table(
        f"{streams} streams at once, 300 tokens each at 50 a second (milliseconds)",
        "tokens/s",
        "ours/theirs",
        "first event p50",
        "p99",
        "longest gap p50",
        "p99",
        "CPU for 1,000 tokens",
    )
    for result in results:
        figures = result.streams
        times = (
            figures.first_event_p50,
            figures.first_event_p99,
            figures.gap_p50,
            figures.gap_p99,
            figures.cpu_ms,
        )
        ratio = _ratio(ours and ours.streams.tokens_per_s, figures.tokens_per_s)
        table.add_row(
            result.name, f"{figures.tokens_per_s:,.0f}", ratio, *(f"{time:,.1f}" for time in times)
        )
    return table


def memory_table(results: Sequence[Result]) -> Table:
    """Show what outlives the process, and what each server holds in memory."""
    table = _table("Memory afterwards", "durable", "private memory")
    for result in results:
        durable = "yes" if result.durable else "no"
        table.add_row(result.name, durable, f"{result.memory_mb:,.0f} MB")
    return table


def targets_table(targets: Sequence[Target]) -> Table:
    """Show each target, reached or not."""
    table = _table("Targets", "ours", "theirs", "ours/theirs", "wanted", "reached")
    for target in targets:
        reached = "yes" if target.reached else "no"
        table.add_row(
            target.what,
            target.ours,
            target.theirs,
            f"{target.ratio:.2f}",
            target.wanted,
            reached,
        )
    return table


def _ratio(ours: float | None, theirs: float) -> str:
    return f"{ours / theirs:.2f}" if ours else ""


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=box.MARKDOWN, title_justify="left")
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    return table
