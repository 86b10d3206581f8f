"""The errors of the protocol and of its library, as failures that say what follows."""

from collections.abc import Callable
from typing import Any, cast

from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    UNSUPPORTED_PROTOCOL_VERSION,
    URL_ELICITATION_REQUIRED,
    InputRequiredResult,
)

from everruns.mcp.failures import (
    InputRequired,
    McpFailure,
    NotAuthorized,
    NotDelivered,
    OutcomeUnknown,
    said,
)
from everruns.mcp.wire import SCOPE, effect_of
from everruns.tools.base import ToolError

# The library's words for a connection that ended; servers use the same code for errors of theirs.
_ENDED = ("Connection closed", "SSE stream")
# A server that knows neither the method nor the revision has done nothing.
_NOT_SPOKEN = (METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION)


def failure_of(
    server: str, error: MCPError, masked: Callable[[str], str], cause: str | None = None
) -> ToolError:
    """Return what an error means for the call that it answers.

    Args:
        server: The server's name.
        error: The error.
        masked: Removes secrets from a text.
        cause: Why the connection ended, if that is known better.
    """
    if error.code == URL_ELICITATION_REQUIRED:
        return _url_required(error.data)
    effect = effect_of(error.data)
    if effect == "unauthorized":
        return NotAuthorized(server, error.data.get(SCOPE))
    words = said(masked(error.message)).rstrip(".")
    if effect == "not_delivered" or error.code in _NOT_SPOKEN:
        return NotDelivered(f"The MCP server {server} did not take the request: {words}.")
    if error.code == CONNECTION_CLOSED and error.message.startswith(_ENDED):
        words = cause or "the connection was closed before it answered"
        effect = "unknown"
    elif error.code == PARSE_ERROR:
        words = "its answer is not JSON that the protocol wants"
        effect = "unknown"
    if effect == "unusable":
        return McpFailure(f"The MCP server {server} cannot be used for this call: {words}.")
    if effect == "unknown":
        return OutcomeUnknown(server, words)
    return McpFailure(f"The MCP server {server} refused: {words or 'it did not say why'}.")


def input_required(result: InputRequiredResult) -> InputRequired:
    """Return the failure that carries what a server asks."""
    asked = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    return InputRequired(asked.get("inputRequests", {}), result.request_state)


def _url_required(data: Any) -> InputRequired:
    """Read the older form, in which a person has to open addresses before the call is repeated."""
    asked: Any = (
        cast("dict[str, Any]", data).get("elicitations") if isinstance(data, dict) else None
    )
    items = cast("list[Any]", asked) if isinstance(asked, list) else []
    requests = {
        str(number): {"method": "elicitation/create", "params": item}
        for number, item in enumerate(items[:16])
    }
    return InputRequired(requests, None)
