"""``python -m bench.mcp``: what an MCP server costs the sessions that use it, and the others."""

import argparse
from collections.abc import Sequence

import uvloop
from rich.console import Console

from bench.limits.processes import wait_for_rest, wait_for_session_actors
from bench.limits.report import show, show_targets
from bench.mcp import catalogue, sessions
from bench.mcp.adder import running_adder
from bench.server import running_server

SESSION_ACTORS = 2
SETTINGS = {
    "EVERRUNS_ALLOW_PRIVATE_ADDRESSES": "true",
    "EVERRUNS_WARM_SESSION_ACTORS": str(SESSION_ACTORS),
    "EVERRUNS_MAX_SESSION_ACTORS": str(SESSION_ACTORS),
    # What is counted stays in memory.
    "EVERRUNS_HIBERNATE_AFTER_S": "3600",
}

out = Console(width=120, highlight=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.mcp", description=__doc__)
    parser.add_argument("--sessions", type=int, default=200, help="of each kind")
    parser.add_argument("--turns", type=int, default=300, help="of each kind, to time a call")
    parser.add_argument("--rounds", type=int, default=6, help="blocks of each kind")
    parser.add_argument("--seconds", type=float, default=8.0, help="of a block")
    wanted = parser.parse_args(arguments)
    with running_adder() as adder, running_server(**SETTINGS) as server:
        wait_for_session_actors(server, SESSION_ACTORS)
        wait_for_rest(server)
        # First, while no session has used an MCP server.
        turns = uvloop.run(catalogue.measure(server, adder, wanted.rounds, wanted.seconds))
        of_sessions = uvloop.run(sessions.measure(server, adder, wanted.sessions, wanted.turns))
    for report in (*of_sessions, *turns):
        show(out, report)
    show_targets(out, {"measured": [*of_sessions, *turns]})


if __name__ == "__main__":
    main()
