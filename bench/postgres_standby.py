"""A PostgreSQL server with a synchronous standby, to which it can fail over."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from actors.clusters.ports import free_port
from bench.postgres import PostgresServer

LOOPBACK = "127.0.0.1"
FOLLOWS_WITHIN_S = 30.0


class Standby(PostgresServer):
    """A copy of another server that follows it until it is promoted.

    Args:
        primary: The server that it copies.
        port: Of TCP on loopback, where it listens.
    """

    def __init__(self, primary: PostgresServer, port: int) -> None:
        self._primary = primary
        super().__init__(durable=True, settings=_reachable(port))

    def _initialize(self) -> None:
        self._run(
            self._programs / "pg_basebackup",
            f"--dbname={self._primary.conninfo()} application_name=standby",
            "--pgdata=data",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
        )

    def promote(self) -> None:
        """Make it a primary; return when it takes writes."""
        self.execute("SELECT pg_promote()")


@dataclass(frozen=True)
class Pair:
    """A primary whose commits wait for its standby."""

    primary: PostgresServer
    standby: Standby
    hosts: str

    def url(self, database: str) -> str:
        """Return the address of a database on whichever of the two takes writes."""
        return f"postgresql://postgres@{self.hosts}/{database}?target_session_attrs=read-write"


@contextmanager
def synchronous_pair() -> Generator[Pair]:
    """Start a primary and its synchronous standby; end both afterwards."""
    ports = free_port(), free_port()
    with (
        PostgresServer(durable=True, settings=_reachable(ports[0])) as primary,
        Standby(primary, ports[1]) as standby,
    ):
        # Only now, as the copy would have it too, and wait for a standby of its own.
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        primary.execute("SELECT pg_reload_conf()")
        yield Pair(primary, standby, ",".join(f"{LOOPBACK}:{port}" for port in ports))


def _reachable(port: int) -> dict[str, str]:
    return {"listen_addresses": LOOPBACK, "port": str(port)}
