"""A PostgreSQL server next to the nodes, which reach it over their network."""

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.postgres import PostgresServer

USER = "everruns"
MAX_CONNECTIONS = 500


@dataclass(frozen=True)
class ClusterDatabase:
    """A database for a cluster.

    Attributes:
        server: Its server, on this computer, which can be killed and started again.
        url: What the nodes get as ``EVERRUNS_DATABASE_URL``; it has the password.
    """

    server: PostgresServer
    url: str


@contextmanager
def cluster_database(address: str, port: int, folder: Path) -> Generator[ClusterDatabase]:
    """Start a server; end it afterwards.

    Args:
        address: Of this computer, on the network of the nodes.
        port: Its own there.
        folder: Where its rules are kept; everybody may read there.
    """
    rules = folder / "pg_hba.conf"
    rules.write_text(f"local all all trust\nhost all {USER} {address}/24 scram-sha-256\n")
    rules.chmod(0o644)  # Whatever the umask of this process is, the server runs as another user.
    settings = {
        "listen_addresses": address,
        "port": str(port),
        "hba_file": str(rules),
        "max_connections": str(MAX_CONNECTIONS),
    }
    with PostgresServer(durable=True, settings=settings) as server:
        password = secrets.token_hex(16)
        server.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{password}'")
        name = server.create_database()
        server.execute(f"ALTER DATABASE {name} OWNER TO {USER}")
        yield ClusterDatabase(
            server, f"postgresql+psycopg://{USER}:{password}@{address}:{port}/{name}"
        )
