"""The parts of a system prompt, and where each comes from."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

ContextSource = Literal["agent", "session", "capability", "server"]
"""Where a part of what a model is shown comes from; the server adds what its tools need."""


@dataclass(frozen=True)
class PromptPart:
    """A part of a system prompt.

    Attributes:
        source: Where it comes from.
        text: What it says.
        capability_id: The capability that it comes from, if it does.
    """

    source: ContextSource
    text: str
    capability_id: str | None = None


def joined_prompt(parts: Iterable[PromptPart]) -> str:
    """Return the system prompt that parts make."""
    return "\n\n".join(part.text for part in parts)
