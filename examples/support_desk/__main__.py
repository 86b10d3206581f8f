"""Starts the support desk and an Everruns server for it: ``python -m examples.support_desk``.

With ``EVERRUNS_API_URL`` and ``EVERRUNS_API_KEY`` set, it uses that server instead; the server must
allow the desk's origin (``EVERRUNS_ALLOWED_ORIGINS``).
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import uvicorn

PORT = int(os.environ.get("DESK_PORT", "9400"))
SERVER_PORT = os.environ.get("DESK_SERVER_PORT", "9300")
DATA = Path(os.environ.get("DESK_DATA", "~/.everruns-support-desk")).expanduser()
DESK = f"http://127.0.0.1:{PORT}"
EVERRUNS = [sys.executable, "-m", "everruns.cli"]
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 20


@contextmanager
def everruns_server() -> Generator[None]:
    """Run a server that asks for keys and lets the desk's page in."""
    if "EVERRUNS_API_URL" in os.environ:
        yield
        return
    DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["EVERRUNS_API_URL"] = address = f"http://127.0.0.1:{SERVER_PORT}"
    os.environ["EVERRUNS_API_KEY"] = api_key()
    environment = {
        **os.environ,
        "EVERRUNS_AUTH": "api_keys",
        "EVERRUNS_ALLOWED_ORIGINS": DESK,
        "EVERRUNS_DATA_DIR": str(DATA),
    }
    server = subprocess.Popen([*EVERRUNS, "serve", "--port", SERVER_PORT], env=environment)
    try:
        wait_until_ready(server, address)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(STOP_TIMEOUT_S)


def api_key() -> str:
    """Return the desk's API key, made at the first start and readable by its user alone."""
    kept = DATA / "desk_key"
    if not kept.exists():
        made = subprocess.run(
            [*EVERRUNS, "keys", "create", "support-desk", "--data-dir", str(DATA)],
            capture_output=True,
            check=False,
            text=True,
        )
        if made.returncode:
            sys.exit(made.stderr)
        kept.touch(mode=0o600)
        kept.write_text(made.stdout.strip())
    return kept.read_text()


def wait_until_ready(server: "subprocess.Popen[bytes]", address: str) -> None:
    """Wait for the server's first answer.

    Raises:
        SystemExit: It did not come up; it has said why.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{address}/ready").is_success:
                return
        time.sleep(0.2)
    sys.exit(1)


def main() -> None:
    """Run the desk until Ctrl-C."""
    with everruns_server():
        DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ.setdefault("DESK_SHOP", str(DATA / "shop.sqlite"))
        password = os.environ.setdefault("DESK_OPERATOR_PASSWORD", secrets.token_urlsafe(9))
        print(f"Customers  {DESK}/?customer=ada")
        print(f"Operators  {DESK}/operator  (any name, password {password})")
        # The desk reads its environment when it is imported.
        from examples.support_desk.desk import app  # noqa: PLC0415

        uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")


if __name__ == "__main__":
    main()
