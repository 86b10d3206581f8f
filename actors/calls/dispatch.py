"""The callee's end of a call: finding the object, running the method, answering."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from actors.calls.contract import Request, decode_request, encode_failure, method_of
from everruns.errors import EverrunsError, HostLost
from everruns.ids import new_id
from everruns.log import working_on
from everruns.tools.base import ToolError

Targets = Callable[[], Awaitable[Mapping[str, object]]]

log = structlog.get_logger(__name__)


async def dispatch(targets: Targets, request: bytes) -> bytes:
    """Carry out a request and return the answer, which may be an error.

    Args:
        targets: Returns the objects that can be called, by name. An exception becomes the answer.
        request: The bytes that a stub sent.
    """
    try:
        decoded = decode_request(request)
    except EverrunsError as error:
        return encode_failure(error)
    called = f"{decoded.target}.{decoded.method}"
    with working_on({**decoded.ids, "call": called}):
        return await _answer(targets, decoded)


async def _answer(targets: Targets, request: Request) -> bytes:
    try:
        target = (await targets()).get(request.target)
        method = method_of(target, request)
        args, kwargs = method.decode_arguments(request)
        return method.encode_result(await method.function(target, *args, **kwargs))
    except (EverrunsError, ToolError) as error:
        return encode_failure(error)
    except asyncio.CancelledError:
        # The call's work was cancelled; its caller must not keep waiting.
        return encode_failure(
            HostLost("A part of the cluster is stopping. Try again shortly.", None, 1.0)
        )
    except Exception:
        call_id = new_id("call")
        log.exception("call failed", call_id=call_id)
        message = "A part of the server failed unexpectedly. Its log has the details under"
        return encode_failure(EverrunsError(f"{message} {call_id}."))
