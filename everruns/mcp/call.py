"""A call of a server's tool."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Progress = Callable[[float, float | None, str | None], None]
"""Told how much is done, of how much in all, and in the server's words."""


@dataclass(frozen=True)
class Call:
    """A call of a server's tool.

    Attributes:
        tool: The server's name of the tool.
        arguments: The model's.
        answers: What a person answered to the server's requests, by its keys.
        state: What the server wants back with the answers.
        progress: Told of each sign of progress.
    """

    tool: str
    arguments: dict[str, Any]
    answers: Mapping[str, Any] | None = None
    state: str | None = None
    progress: Progress | None = None
