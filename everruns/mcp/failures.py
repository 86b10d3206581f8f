"""What can go wrong with a server, worded for the model, and what follows for the call.

Source: docs/mcp.md, "When a server fails".
"""

from collections.abc import Mapping
from typing import Any

from everruns.tools.base import ToolError

MAX_SAID_CHARACTERS = 1000


class McpFailure(ToolError):
    """A server could not be asked, refused, or gave an answer that cannot be used."""


class NotDelivered(McpFailure):
    """The server did not act on the request: it can be repeated on a new connection."""


class CannotConnect(McpFailure):
    """There is no connection; trying again at once would only take the same time again."""


class Busy(McpFailure):
    """So much is asked of servers at the moment that this request was not sent."""


class OutcomeUnknown(McpFailure):
    """The request may have taken effect, but its result is lost.

    Attributes:
        what: What happened.
    """

    def __init__(self, server: str, what: str) -> None:
        super().__init__(
            f"The MCP server {server}: {what}. It is unknown whether the call took effect."
        )
        self.what = what


class TimedOut(OutcomeUnknown):
    """The server works on the request for too long: doing it again would take as long again."""


class NotAuthorized(McpFailure):
    """The server did not act on the request: a person has to consent first.

    Attributes:
        scope: What the request lacked, if it lacked only a part.
    """

    def __init__(self, server: str, scope: str | None = None) -> None:
        super().__init__(f"The MCP server {server} needs the user's consent first.")
        self.scope = scope


class InputRequired(ToolError):
    """A server needs answers from a person before it goes on with a call.

    Attributes:
        requests: What it asks, by the server's keys, as the protocol's JSON.
        state: What it wants back with the answers; opaque.
    """

    def __init__(self, requests: Mapping[str, Any], state: str | None) -> None:
        super().__init__(
            "The server needs an answer from a person before it goes on, and nobody can be asked "
            "here. Do without this call."
        )
        self.requests = requests
        self.state = state


def said(text: str) -> str:
    """Return what a server said in one bounded line."""
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return line if len(line) <= MAX_SAID_CHARACTERS else line[:MAX_SAID_CHARACTERS] + "…"
