"""The bounds of connections and calls.

Source: docs/mcp.md, "Bounds".
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The bounds of one process's connections to servers.

    Attributes:
        connections: Most that are open at once.
        connect_s: Seconds to connect and agree on a revision.
        list_s: Seconds to list a server's tools.
        silence_s: Seconds that a call may go without a sign of progress.
        call_s: Seconds that a call may take in all.
        task_request_s: Seconds that a request about a task may take.
        task_s: Seconds after which a task is given up, if its server does not end it before.
        task_silence_s: Seconds for which a server may be away that works on a task.
        answer_s: Seconds that a connection is held for a person's answer.
        calls: Calls at once on one connection.
        waiting: Calls that may wait for a connection's turn.
        unused_s: Seconds after which an unused connection is closed.
        list_ttl_s: Seconds for which a list of tools is used at most.
        least_list_ttl_s: Seconds for which it is used whatever the server says.
    """

    connections: int = 64
    connect_s: float = 15.0
    list_s: float = 30.0
    silence_s: float = 60.0
    call_s: float = 300.0
    task_request_s: float = 10.0
    task_s: float = 604_800.0
    task_silence_s: float = 3600.0
    answer_s: float = 600.0
    calls: int = 16
    waiting: int = 64
    unused_s: float = 300.0
    list_ttl_s: float = 300.0
    least_list_ttl_s: float = 30.0


def limits_for(silence_s: float) -> Limits:
    """Return the bounds where calls may go for so many seconds without a sign of progress."""
    return Limits(silence_s=silence_s, call_s=max(silence_s, Limits.call_s))
