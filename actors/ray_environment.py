"""What the processes of a cluster that this server starts find in their environment.

Ray and Ray Serve take these settings from the environment alone, at import, in each process. They
keep the cluster's doors closed (a token, sockets in a private folder) and let several servers run
on one machine (ports chosen free).
"""

import os
import secrets
from pathlib import Path

from actors.front import front_environment
from actors.leftovers import MARK, mark
from everruns.settings import Settings, set_environment, take_environment

TOKEN_FILE = "ray_token"  # noqa: S105


def prepare_environment(settings: Settings) -> None:
    """Set the environment of the cluster that is about to be started, unless one is joined."""
    if settings.ray_address is not None:
        return
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    variables = {
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray's default of 15 would let any other program on the machine slow the server down.
        "RAY_worker_niceness": "0",
        # Serve kills a proxy that is not up by then, and its start fails; on a busy machine its
        # default of 5 s passes.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        # The application never blocks its event loop, so it can have the replica's own: a request
        # costs a tenth less than with a thread apart.
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(_token_file(settings.data_dir)),
        **front_environment(settings),
    }
    # Not that of a server from one of whose processes this one is started.
    take_environment(MARK)
    set_environment({**variables, **mark(settings.data_dir)})


def read_token(data_dir: Path) -> str | None:
    """Return the token that the dashboard's login asks for, if a server has made one."""
    path = data_dir / TOKEN_FILE
    return path.read_text().strip() if path.exists() else None


def _token_file(data_dir: Path) -> Path:
    path = data_dir / TOKEN_FILE
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    return path
