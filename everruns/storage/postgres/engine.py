"""The engine of a PostgreSQL database: its address, its connections and their limits."""

import select

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr
from sqlalchemy import Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DisconnectionError

from everruns.errors import InvalidRequest

MAX_CONNECTIONS = 16
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


def postgres_engine(address: SecretStr, max_connections: int = MAX_CONNECTIONS) -> Engine:
    """Return the engine of a PostgreSQL database, which connects on first use.

    Args:
        address: Address of the database in the form of libpq, which may name several hosts, or
            with ``postgresql+psycopg`` as its scheme.
        max_connections: How many connections this process opens at most, as threads need them.

    Raises:
        InvalidRequest: It is no such address.
    """
    # SQLAlchemy reads neither several hosts nor all parameters, so the address passes it by.
    conninfo = _complete(address.get_secret_value())
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(conninfo),
        poolclass=QueuePool,
        pool_size=max_connections,
        max_overflow=0,
        pool_timeout=CONNECTION_TIMEOUT_S,
        # The connection used last is warm; more are opened only when threads need them.
        pool_use_lifo=True,
        # Rows contain conversations, which must not appear in error messages.
        hide_parameters=True,
        # Otherwise each connection begins by asking for a type that no table has.
        use_native_hstore=False,
    )
    event.listen(engine, "checkout", _check_alive)
    return engine


def _complete(address: str) -> str:
    try:
        given = conninfo_to_dict(address.replace("postgresql+psycopg:", "postgresql:", 1))
    except psycopg.ProgrammingError:
        # The error quotes the address, and with it the password.
        raise InvalidRequest(
            "EVERRUNS_DATABASE_URL cannot be read. It is like"
            " postgresql://user:password@host:5432/database, with special characters of the"
            " password percent-encoded"
        ) from None
    limits = " ".join(f"-c {name}={value}" for name, value in _LIMITS.items())
    options = f"{limits} {given.get('options') or ''}".strip()
    return make_conninfo("", **{**_CONNECTION, **given, "options": options})


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
