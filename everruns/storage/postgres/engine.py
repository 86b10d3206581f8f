"""The connections to a PostgreSQL database: its address, their pools and their limits."""

import select
from collections.abc import Mapping
from typing import cast

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr
from sqlalchemy import Engine, QueuePool, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError

from everruns.errors import InvalidRequest

MAX_CONNECTIONS = 16
MAX_AUTOCOMMIT_CONNECTIONS = 4
CONNECTION_TIMEOUT_S = 30.0

# What a server must be told about each connection. What the address says itself comes first.
_CONNECTION: dict[str, str | int] = {
    "application_name": "everruns",
    "connect_timeout": 5,
    # A server that is silent, because its machine or the network is gone, is given up after these.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_LIMITS = {
    "statement_timeout": "60s",
    "lock_timeout": "10s",
    # A process that stands still must not keep others from a session's row.
    "idle_in_transaction_session_timeout": "5s",
}


def postgres_engine(conninfo: str, max_connections: int = MAX_CONNECTIONS) -> Engine:
    """Return the engine of a PostgreSQL database, which connects on first use.

    Args:
        conninfo: What ``complete`` made of the database's address.
        max_connections: How many this process opens at most, as threads need them.
    """
    # SQLAlchemy reads neither several hosts nor all parameters, so the address passes it by.
    return create_engine(
        "postgresql+psycopg://",
        pool=_pool(conninfo, max_connections, autocommit=False),
        # Rows contain conversations, which must not appear in error messages.
        hide_parameters=True,
        # Otherwise each connection begins by asking for a type that no table has.
        use_native_hstore=False,
    )


def autocommit_pool(conninfo: str, max_connections: int = MAX_AUTOCOMMIT_CONNECTIONS) -> QueuePool:
    """Return a pool of connections that commit each statement, for ``Postgres.at_once``."""
    return _pool(conninfo, max_connections, autocommit=True)


def _pool(conninfo: str, max_connections: int, *, autocommit: bool) -> QueuePool:
    pool = QueuePool(
        lambda: cast("DBAPIConnection", psycopg.connect(conninfo, autocommit=autocommit)),
        pool_size=max_connections,
        max_overflow=0,
        timeout=CONNECTION_TIMEOUT_S,
        # The connection used last is warm; more are opened only when threads need them.
        use_lifo=True,
        reset_on_return=None if autocommit else "rollback",
    )
    event.listen(pool, "checkout", _check_alive)
    return pool


def complete(address: SecretStr) -> str:
    """Return the address of a database with the limits of its connections.

    Args:
        address: In the form of libpq, which may name several hosts, or with ``postgresql+psycopg``
            as its scheme.

    Raises:
        InvalidRequest: It is no such address.
    """
    try:
        given = conninfo_to_dict(
            address.get_secret_value().replace("postgresql+psycopg:", "postgresql:", 1)
        )
    except psycopg.ProgrammingError:
        # The error quotes the address, and with it the password.
        raise _unreadable() from None
    _check_places(given)
    limits = " ".join(f"-c {name}={value}" for name, value in _LIMITS.items())
    options = f"{limits} {given.get('options') or ''}".strip()
    return make_conninfo("", **{**_CONNECTION, **given, "options": options})


def _check_places(given: Mapping[str, object]) -> None:
    """Check that hosts and ports are none of the password.

    A password with ``@`` or ``/`` that is not percent-encoded ends up there in part, and libpq
    would quote it in errors about connections, which are logged.

    Raises:
        InvalidRequest: One cannot be what it stands for.
    """
    # A name that begins with ``@`` is that of an abstract socket.
    hosts = str(given.get("host") or "").split(",")
    ports = str(given.get("port") or "").split(",")
    if any("@" in host[1:] for host in hosts) or any(port.strip("0123456789") for port in ports):
        raise _unreadable()


def _unreadable() -> InvalidRequest:
    return InvalidRequest(
        "EVERRUNS_DATABASE_URL cannot be read. It is like"
        " postgresql://user:password@host:5432/database, with special characters of the"
        " password percent-encoded"
    )


def _check_alive(connection: psycopg.Connection[object], *_: object) -> None:
    """Have a connection replaced that the server closed while nobody used it.

    This costs no question to the server: it says nothing on an idle connection before it ends.
    """
    if not connection.closed:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        if not poll.poll(0):
            return
    raise DisconnectionError
