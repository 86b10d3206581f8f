"""``make bench-peers``: this server and others, on one machine, with one model and one load.

In each round each server is started anew on an empty folder, warmed up, measured and stopped, one
after another and in turned order the next time. The tables show medians over the rounds. What is
slow is shown; only what is broken ends the run.
"""

import argparse
import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

import aiohttp
import uvloop
from rich.console import Console

from bench.checkout import read_checkout
from bench.peers.catalogue import CEILING, OURS, PEERS, Peer, ours
from bench.peers.measuring import TurnFigures, run_streams, run_turns, speaking_to
from bench.peers.report import (
    CLIENTS,
    Result,
    judge,
    median_of,
    memory_table,
    streams_table,
    targets_table,
    turns_table,
)
from bench.peers.running import running_model, running_peer
from bench.peers.wires import Wire
from bench.server import Server

AT_ONCE = "tokens-20"
STREAMED = "tokens-300-rate-50"
MODELS = (AT_ONCE, STREAMED)
STREAMS = 200
WARM_UP_CLIENTS = 8
WARM_UP_S = 3.0
AT_REST_CORES = 0.4
AT_REST_WITHIN_S = 20

# As wide as the widest table, whatever the terminal is: the tables are there to be copied.
out = Console(width=160, highlight=False)


def main() -> None:
    """Measure and print."""
    options = _options()
    started = time.monotonic()
    versions = [ours(f"{OURS} of {version.name}", version) for version in options.checkout]
    wanted = [*(peer for peer in PEERS if peer.name in options.only), *versions]
    rounds: dict[str, list[Result]] = defaultdict(list)
    try:
        with running_model() as model_url:
            for number in range(1, options.rounds + 1):
                for peer in wanted if number % 2 else reversed(wanted):
                    out.print(f"Round {number} of {options.rounds}: {peer.name}", style="bold")
                    for result in _measure_anew(peer, model_url, options.seconds):
                        rounds[result.name].append(result)
    finally:
        # What was measured before something broke is worth showing, too.
        rows = [row for peer in wanted for row in peer.wires if row in rounds]
        if rows:
            _print([median_of(rounds[row]) for row in rows])
        minutes = (time.monotonic() - started) / 60
        out.print(f"Medians over rounds ({options.rounds} asked for), taken in {minutes:.1f} min")


def _measure_anew(peer: Peer, model_url: str, seconds: float) -> list[Result]:
    """Start a server on an empty folder, measure it and stop it."""
    with running_peer(peer, model_url, MODELS) as server:
        out.print(f"  ready in {server.ready_s:.1f} s")
        return uvloop.run(_measure(peer, server, model_url, seconds))


async def _measure(peer: Peer, server: Server, model_url: str, seconds: float) -> list[Result]:
    """Measure a server once for each way it is spoken to."""
    any_wire = next(iter(peer.wires.values()))
    async with speaking_to(server.address, any_wire) as spoken:
        await spoken.prepare(model_url, MODELS)
    results: list[Result] = []
    for row, wire in peer.wires.items():
        try:
            results.append(await _measure_row(row, peer, server, wire, seconds))
        except Exception as error:
            error.add_note(f"This is what came of {row}.")
            raise
    return results


async def _measure_row(
    row: str,
    peer: Peer,
    server: Server,
    wire: Callable[[aiohttp.ClientSession], Wire],
    seconds: float,
) -> Result:
    async with speaking_to(server.address, wire) as spoken:
        await run_turns(spoken, AT_ONCE, WARM_UP_CLIENTS, WARM_UP_S, server.cpu_s)
        await _rest(server)
        turns: dict[int, TurnFigures] = {}
        for clients in CLIENTS:
            figures = await run_turns(spoken, AT_ONCE, clients, seconds, server.cpu_s)
            turns[clients] = figures
            out.print(
                f"  {row}, {clients} clients: {figures.turns_per_s:.1f} turns/s, first event "
                f"p50 {figures.first_event_p50:.1f} ms, p99 {figures.first_event_p99:.1f} ms"
            )
        streams = await run_streams(spoken, STREAMED, STREAMS, server.cpu_s)
        out.print(
            f"  {row}, {STREAMS} streams: {streams.tokens_per_s:,.0f} tokens/s, first event p99 "
            f"{streams.first_event_p99:,.1f} ms, all tokens delivered"
        )
    memory_mb = sum(size for _, size in server.memory())
    return Result(row, peer.durable, turns, streams, memory_mb)


async def _rest(server: Server) -> None:
    """Wait until a server has done what it still does after its start, but not for ever."""
    for _ in range(AT_REST_WITHIN_S):
        before = server.cpu_s()
        await asyncio.sleep(1)
        if server.cpu_s() - before < AT_REST_CORES:
            return


def _print(results: Sequence[Result]) -> None:
    named = {result.name: result for result in results}
    mine, ceiling = named.get(OURS), named.get(CEILING)
    theirs = {row for peer in PEERS if peer.checkout is None for row in peer.wires}
    peers = [one for one in results if one.name in theirs and one is not ceiling]
    for clients in CLIENTS:
        out.print(turns_table(results, clients, mine))
    out.print(streams_table(results, mine, STREAMS))
    out.print(memory_table(results))
    if mine:
        out.print(targets_table(judge(mine, peers, ceiling)))


def _options() -> argparse.Namespace:
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument(
        "--rounds", type=_at_least(int, 1), default=2, help="how often each server is started (2)"
    )
    parser.add_argument(
        "--seconds",
        type=_at_least(float, 1),
        default=5.0,
        help="how long each number of clients is measured (5)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        default=names,
        metavar="SERVER",
        help=f"measure these alone, of {', '.join(names)}",
    )
    parser.add_argument(
        "--checkout",
        nargs="+",
        type=read_checkout,
        default=[],
        metavar="PATH",
        help="measure the servers of these checkouts of this project, too",
    )
    return parser.parse_args()


def _at_least(kind: type[float], least: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = least - 1
        if not value >= least:
            whole = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text} should be {whole}, at least {least:g}")
        return value

    return read


if __name__ == "__main__":
    main()
