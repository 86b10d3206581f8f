"""The two ways in which the API is served: by Ray Serve, or by one actor of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from everruns.settings import Settings

# The whole stop must take less than ten seconds; this is the requests' share.
REQUESTS_TIMEOUT_S = 3.0

Check = Callable[[], None]


@dataclass(frozen=True)
class Serving:
    """One of the ways.

    Attributes:
        start: Starts what the API runs on, given the settings, and the host and port on which HTTP
            is to be taken. Raises ``Unavailable`` if it does not start. Returns a check that raises
            it, with the reason, if the API has failed since.
        deploy: Starts the API. Raises ``Unavailable``, with the reason.
        end_requests: Accepts no more connections, ends streams, and lets requests finish.
        abandon: Starts nothing again, because everything is about to be killed.
    """

    start: Callable[[Settings, str, int], Check]
    deploy: Callable[[Settings], None]
    end_requests: Callable[[], None]
    abandon: Callable[[], None]


def load_serving(settings: Settings) -> Serving:
    """Import and return the way that the settings choose; importing Serve takes two seconds."""
    if settings.serving == "direct":
        from actors.serving.direct import DIRECT  # noqa: PLC0415

        return Serving(DIRECT.start, DIRECT.deploy, DIRECT.end_requests, DIRECT.abandon)
    from actors.serving import application  # noqa: PLC0415

    def start(settings: Settings, host: str, port: int) -> Check:
        return partial(application.check_deployed, application.start_serve(settings, host, port))

    return Serving(
        start,
        application.deploy,
        application.end_requests,
        abandon=lambda: None,  # What Serve would start again ends together with Serve.
    )
