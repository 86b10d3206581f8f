"""Surroundings that mean a server ill: a folder of traps, and a proxy that counts who comes."""

import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

ROOT = Path(__file__).parents[2]
TRAPS = ("secrets", "json", "ray", "sitecustomize", "usercustomize", "serve_app", "zipfile")
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "grpc_proxy")
GIVE_UP_S = 5


class Proxy:
    """A proxy that counts who comes."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.requests: list[bytes] = []
        Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return  # closed
            with connection:
                connection.settimeout(GIVE_UP_S)
                try:
                    self.requests.append(connection.recv(200))
                except TimeoutError:
                    self.requests.append(b"")


@dataclass(frozen=True)
class Surroundings:
    """Where a server is started.

    Attributes:
        proxy: The proxy that its environment names.
        folder: Its working folder: modules that shadow others, and settings that would open it.
    """

    proxy: Proxy
    folder: Path

    @property
    def sprung(self) -> list[str]:
        """The modules that were run: each leaves a mark."""
        return [path.name for path in (self.folder / "marks").iterdir()]

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a server that is started here."""
        return {
            **dict.fromkeys(PROXIES, self.proxy.address),
            "NO_PROXY": "",
            "no_proxy": "",
            # The command itself is run as a module here, from the folder with the traps.
            "PYTHONSAFEPATH": "1",
            "PYTHONPATH": str(ROOT),
        }


@contextmanager
def ill_surroundings(folder: Path) -> Generator[Surroundings]:
    """Set the traps in an empty folder, and run the proxy until the block ends."""
    marks = folder / "marks"
    marks.mkdir()
    for name in TRAPS:
        code = f"open({str(marks / name)!r}, 'w').close()\n"
        (folder / f"{name}.py").write_text(code)
    (folder / ".env").write_text("EVERRUNS_AUTH=none\n")
    proxy = Proxy()
    try:
        yield Surroundings(proxy, folder)
    finally:
        proxy.socket.close()
