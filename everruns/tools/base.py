"""The interface of a tool.

A tool receives the model's arguments, already validated against its JSON Schema, and returns a JSON
value. A ``ToolError`` becomes the error text that the model reads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from everruns.domain.files import File
from everruns.domain.tools import ToolDefinition, idempotency_key

DEFAULT_TIMEOUT_S = 60.0


class ToolError(Exception):
    """A tool's failure, worded for the model. It never ends a turn."""


class Files(Protocol):
    """The virtual file system of one session, as tools use it.

    Paths are absolute and normalized by the implementation (``/a/../b`` is ``/b``).
    """

    async def read(self, path: str) -> File | None:
        """Return a file or directory with its content, or ``None``."""
        ...

    async def write(self, path: str, content: bytes, encoding: str) -> File:
        """Create or replace a file and the directories above it.

        Raises:
            ToolError: The path is a directory or read-only, or a limit is reached.
        """
        ...

    async def list(self, path: str, *, recursive: bool = False) -> "list[File]":
        """Return the entries of a directory, without contents, sorted by path."""
        ...

    async def delete(self, path: str, *, recursive: bool = False) -> bool:
        """Delete a file or directory; return whether there was one.

        Raises:
            ToolError: A directory is not empty and ``recursive`` is false, or it is read-only.
        """
        ...

    async def grep(self, pattern: str, path_pattern: str | None) -> Sequence[tuple[str, int, str]]:
        """Return the matching lines of text files as (path, line number from 1, line).

        Raises:
            ToolError: A pattern is not a regular expression.
        """
        ...


class History(Protocol):
    """The messages of one session that its model is not shown any more."""

    async def search(self, words: str, before_sequence: int | None) -> dict[str, Any]:
        """Return excerpts of the newest messages that hold all of these words, ignoring case.

        Args:
            words: Words, separated by blanks.
            before_sequence: Only messages before this one.
        """
        ...

    async def around(self, sequence: int, offset: int) -> dict[str, Any]:
        """Return a message and, in short, those before and after it.

        Args:
            sequence: The message.
            offset: Characters of the message to skip.
        """
        ...


@dataclass(frozen=True)
class CallingAgent:
    """The agent whose model made a call."""

    id: str
    name: str


@dataclass(frozen=True)
class ToolContext:
    """What a tool knows about its call and its surroundings.

    Attributes:
        session_id: The session whose model made the call.
        files: The session's files.
        config: The ``config`` that the agent gave the tool's capability.
        call_id: The call; unique in its session and the same whenever it is run again.
        turn_id: The turn that it belongs to.
        is_repeated: Whether an earlier run of this call was lost with its process, so that it may
            have taken effect. Only repeatable tools are run again.
        end_user: The end user for whom the session was created through the agent's channel; empty
            for the application itself, ``None`` if it was not created through a channel.
        agent: The session's agent, if it has one.
        title: The session's title.
        tags: The session's tags.
        metadata: The session's metadata, as the client set it.
        allow_private_addresses: Whether tools may fetch from loopback and private networks.
        history: What the model is not shown any more of the session; ``None`` if it is shown all.
    """

    session_id: str
    files: Files
    config: dict[str, Any]
    call_id: str
    turn_id: str
    is_repeated: bool = False
    end_user: str | None = None
    agent: CallingAgent | None = None
    title: str | None = None
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    allow_private_addresses: bool = False
    history: History | None = None

    @property
    def idempotency_key(self) -> str:
        """A key for other services: unique to this call in all sessions, the same when repeated."""
        return idempotency_key(self.session_id, self.call_id)


class Tool(Protocol):
    """A function that a model can call."""

    @property
    def definition(self) -> ToolDefinition:
        """The tool as described to the model."""
        ...

    @property
    def repeatable(self) -> bool:
        """Whether a call can safely run twice, so that it is retried after a crash."""
        ...

    @property
    def destructive(self) -> bool:
        """Whether a call may destroy something irrecoverably."""
        ...

    @property
    def timeout_s(self) -> float:
        """Seconds after which a call times out."""
        ...

    async def run(self, arguments: dict[str, Any], context: ToolContext) -> Any:
        """Run one call and return a JSON value.

        Raises:
            ToolError: The call failed for a reason that the model should read.
        """
        ...
