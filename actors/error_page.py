"""What HAProxy answers by itself when a replica breaks off or none is there: one of our errors."""

from pathlib import Path

from ray.serve._private.constants import (
    RAY_SERVE_ENABLE_HA_PROXY,
    RAY_SERVE_HAPROXY_CONFIG_FILE_LOC,
)

from everruns.api.errors import error_answer
from everruns.errors import HostLost

SERVES_PAGE = "*/500.http"


def write_error_page() -> None:
    """Replace the page that Serve gives HAProxy for 502, 503 and 504.

    Serve has no setting for it. It writes the page when it starts HAProxy, in the folder that
    ``actors.ray_environment`` names, and HAProxy reads it whenever a deployment changes: so this
    is called between Serve's start and the deployment. Where there is no such page, and after
    Serve had to restart its HAProxy, the answer is Serve's.
    """
    if not RAY_SERVE_ENABLE_HA_PROXY:
        return
    answer = error_answer(
        HostLost("An API process stopped or is being restarted. Try again shortly.", None, 1.0)
    )
    lines = [b"HTTP/1.1 503 Service Unavailable"]
    lines += [b"%b: %b" % header for header in answer.raw_headers]
    page = b"\r\n".join([*lines, b"", bytes(answer.body)])
    for path in Path(RAY_SERVE_HAPROXY_CONFIG_FILE_LOC).parent.glob(SERVES_PAGE):
        path.write_bytes(page)
