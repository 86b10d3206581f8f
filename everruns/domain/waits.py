"""What a session's turn waits for: calls that only somebody outside can answer.

Source: docs/contract.md, "Waiting".
"""

from typing import Any, Literal

from everruns.domain.base import Model

WaitType = Literal["tool_call", "question", "approval"]


class Wait(Model):
    """A call that waits for outside input.

    Attributes:
        type: ``tool_call`` waits for a client-side tool's result, ``question`` for the user's
            answers, ``approval`` for a decision.
        tool_call_id: The call that the input names.
        name: The call's tool.
        arguments: The call's arguments; lists of sessions leave them out.
        since: When it was asked.
        expires_at: When its time is over; absent if it waits as long as it takes.
    """

    type: WaitType
    tool_call_id: str
    name: str
    arguments: dict[str, Any] | None = None
    since: str
    expires_at: str | None = None
