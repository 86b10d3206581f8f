"""How tests start Ray's nodes, where other tests start theirs at the same time."""

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def starting_a_node() -> Generator[None]:
    """Start one node in this block: its agents have ports of their own, and nothing idle starts.

    All nodes of a machine would have the same port for an agent, and try for seconds to get it.
    """
    from actors.clusters.companions import companions

    with companions(dashboard=False):
        yield
