"""Running calls that ask the user something, and go on running meanwhile.

A tool that holds something open which cannot be moved, such as a connection to a server that waits
for the answer on it, cannot suspend its call. Its question lives as long as its process at most.

Source: docs/contract.md, "Waiting"; ADR 0055.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Asker:
    """A running call that has asked.

    Attributes:
        questions: The arguments of ``ask_user`` with which it asks; ``None`` once that is closed.
        rounds: How often it has asked.
    """

    questions: dict[str, Any] | None = None
    rounds: int = 0
