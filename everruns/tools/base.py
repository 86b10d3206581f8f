"""The interface of a tool.

A tool receives the model's arguments, already validated against its JSON Schema, and returns a JSON
value. A ``ToolError`` becomes the error text that the model reads.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Protocol, runtime_checkable

from everruns.domain.files import File
from everruns.domain.questions import Question
from everruns.domain.suspensions import Suspension
from everruns.domain.tools import ToolDefinition, idempotency_key


class ToolError(Exception):
    """A tool's failure, worded for the model. It never ends a turn."""


class Suspend(Exception):
    """Raised by a tool whose call has to wait until the user has answered or some time has passed.

    Meanwhile no process holds the call. When it goes on, the tool is run again, in this process or
    in another one, with the same arguments and ``ToolContext.resumption``.
    """

    def __init__(self, suspension: Suspension) -> None:
        super().__init__("suspended")
        self.suspension = suspension


@dataclass(frozen=True)
class Resumption:
    """What a suspended call goes on with.

    Attributes:
        state: What its tool kept.
        answers: The user's answers, in the form of a result of ``ask_user``; ``None`` if the call
            only waited for a time.
    """

    state: Any
    answers: Mapping[str, Any] | None = None


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
class SessionContext:
    """What capabilities know about the session that they serve.

    Attributes:
        session_id: The session.
        files: The session's files.
        turn_id: The turn that runs.
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
    turn_id: str
    end_user: str | None = None
    agent: CallingAgent | None = None
    title: str | None = None
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    allow_private_addresses: bool = False
    history: History | None = None


@runtime_checkable
class EndsInTime(Protocol):
    """A tool, or the ``Preparation`` of tools, whose calls end by themselves and say why.

    Only the own ``timeout_s`` of the tools holds, also if it is longer than ``tool_timeout_s``.
    """

    @property
    def ends_in_time(self) -> bool:
        """Whether calls end by themselves."""
        ...


class Ask(Protocol):
    """Asks the user while the call goes on running, for tools that cannot suspend it.

    Use it only for what cannot be moved to another process: the question is closed if this one is
    lost, and the session stays in its memory meanwhile.
    """

    async def __call__(
        self, questions: Sequence[Question], wait_s: float
    ) -> Mapping[str, Any] | None:
        """Return the answers in the form of a result of ``ask_user``; ``None`` if there are none.

        The call's own time stands still meanwhile.

        Args:
            questions: What the user is asked.
            wait_s: Seconds to wait for the answers at most.

        Raises:
            ToolError: Nobody can be asked now.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class ToolContext(SessionContext):
    """What a tool knows about its call and its surroundings.

    Attributes:
        config: The ``config`` that the agent gave the tool's capability.
        call_id: The call; unique in its session and the same whenever it is run again.
        is_repeated: Whether an earlier run of this call was lost with its process, so that it may
            have taken effect. Only repeatable tools are run again.
        resumption: What the call goes on with, if it was suspended.
        cancellation: Set once nobody waits for the call any more.
        report_progress: Shows those who follow the session how far the call is: a short text, of
            which only the latest is kept. Tools may call it as often as they like, in any thread.
        ask: Asks the user while the call runs; ``None`` where nobody can be asked.
        traceparent: The W3C trace context of the call, for requests to services that take part in
            its trace; ``None`` if there is no trace.
    """

    config: dict[str, Any]
    call_id: str
    is_repeated: bool = False
    resumption: Resumption | None = None
    cancellation: Event = field(default_factory=Event, compare=False)
    report_progress: Callable[[str], None] = field(default=lambda _text: None, compare=False)
    ask: Ask | None = field(default=None, compare=False)
    traceparent: str | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether the call has timed out or its turn has ended, for tools that run in a thread."""
        return self.cancellation.is_set()

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
    def reads_only(self) -> bool:
        """Whether a call changes nothing."""
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
    def runs_alone(self) -> str | None:
        """Calls of tools with the same name here do not run at the same time."""
        ...

    @property
    def timeout_s(self) -> float:
        """Seconds after which a call times out."""
        ...

    def problem_with(self, arguments: dict[str, Any]) -> str | None:
        """Return, for the model, why arguments cannot be used; ``None`` if they can."""
        ...

    async def run(self, arguments: dict[str, Any], context: ToolContext) -> Any:
        """Run one call and return a JSON value.

        Raises:
            ToolError: The call failed for a reason that the model should read.
        """
        ...
