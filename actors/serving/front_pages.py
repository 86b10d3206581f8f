"""HAProxy's own error responses, in the shape of every other error."""

from http import HTTPStatus
from pathlib import Path

from actors.serving.front_program import METHODS
from everruns.api.http.errors import error_answer, status_of
from everruns.errors import (
    EverrunsError,
    HostLost,
    InvalidRequest,
    MethodNotAllowed,
    RequestTimedOut,
    RouteNotFound,
    TooLarge,
)

ERRORS: tuple[EverrunsError, ...] = (
    InvalidRequest(
        "The request is not valid HTTP, its line and headers exceed 15 kB, "
        "or the rest of its body did not arrive."
    ),
    RouteNotFound("There is no route at this address."),
    MethodNotAllowed(f"The method is not supported. Methods: {', '.join(METHODS)}."),
    RequestTimedOut("The request did not arrive in time. Send it again on a new connection."),
    TooLarge("The request is larger than this server accepts."),
    HostLost("An API process stopped or is being restarted. Try again shortly.", None, 1.0),
)


def write_pages(folder: Path) -> None:
    """Write each answer as HAProxy sends it, ``<status>.http``, for ``front.cfg``."""
    for error in ERRORS:
        status = status_of(type(error))
        allow = {"Allow": ", ".join(METHODS)} if status == 405 else {}
        answer = error_answer(error, {**allow, "Connection": "close"})
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
        lines += [b"%b: %b" % header for header in answer.raw_headers]
        page = b"\r\n".join([*lines, b"", bytes(answer.body)])
        (folder / f"{status}.http").write_bytes(page)
