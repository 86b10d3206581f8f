"""What a server refuses, as errors of ours that say what would be right on the command line.

Source: docs/contract.md, "Errors".
"""

import json
from collections.abc import Mapping

import httpx

from everruns.commands.finding import KEY_VARIABLE
from everruns.errors import (
    Conflict,
    EverrunsError,
    Forbidden,
    InvalidRequest,
    NotFound,
    NotImplementedHere,
    Overloaded,
    PreconditionFailed,
    RequestTimedOut,
    RouteNotFound,
    TooLarge,
    Unauthorized,
    Unavailable,
)

CLASSES: Mapping[int, type[EverrunsError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: RouteNotFound,
    408: RequestTimedOut,
    409: Conflict,
    412: PreconditionFailed,
    413: TooLarge,
    429: Overloaded,
    501: NotImplementedHere,
    503: Unavailable,
}
# What proxies answer while nobody behind them does. Without a body of ours, a 404 is one of these.
NOBODY_THERE = frozenset({404, 500, 502, 503, 504})
LONGEST_MESSAGE = 2000
LONGEST_WAIT_S = 30.0
HINTS = {
    "AGENT_NOT_FOUND": "`everruns agents list` lists the agents.",
    "SESSION_NOT_FOUND": "`everruns sessions list` lists the sessions.",
    "UNKNOWN_MODEL": "`everruns models` lists the models.",
    "UNAUTHORIZED": f"Set {KEY_VARIABLE} or name a file with --key-file; `everruns keys create`, "
    "on the server's machine, makes a key.",
    "TOKEN_EXPIRED": f"Set {KEY_VARIABLE} to a new token or an API key.",
}


def refusal(address: str, answer: httpx.Response, content: bytes) -> EverrunsError:
    """Return the error that an unsuccessful answer stands for.

    Args:
        address: The server's base URL.
        answer: Its status and headers.
        content: Its body.
    """
    status = answer.status_code
    try:
        error = json.loads(content)["error"]
        message, code = str(error["message"])[:LONGEST_MESSAGE], str(error["code"])[:100]
    except (ValueError, KeyError, TypeError):
        if status in NOBODY_THERE:
            return Unavailable(
                f"What listens at {address} answers HTTP {status}: the server is starting, or this "
                "is not the address of an Everruns server."
            )
        return EverrunsError(
            f"{address} answers HTTP {status}. Is it the address of an Everruns server?"
        )
    kind = CLASSES.get(status, EverrunsError)
    hint = f" {HINTS[code]}" if code in HINTS else ""
    # Below its first line, the database shows the place of a mistake in a query.
    first, newline, place = message.partition("\n")
    sentence = first if first.endswith((".", "!", "?")) else f"{first}."
    return kind(f"{sentence}{hint} ({code}){newline}{place}", code, _retry_after_s(answer))


def _retry_after_s(answer: httpx.Response) -> float | None:
    try:
        return min(LONGEST_WAIT_S, max(0.0, float(answer.headers["Retry-After"])))
    except (KeyError, ValueError):
        return None
