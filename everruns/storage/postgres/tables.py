"""The tables in PostgreSQL, and what they have there beyond ``everruns.storage.sql.tables``."""

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, inspect, text

from everruns.domain.sessions import OPEN_STATUSES
from everruns.errors import StoreUnavailable
from everruns.storage.sql.dialects import SEARCH_COLLATION
from everruns.storage.sql.migrate import migrate_on, note_migrated
from everruns.storage.sql.session_texts import LISTS
from everruns.storage.sql.tables import metadata

# Held by whoever creates or migrates the tables. The number is arbitrary, but always the same.
_LOCK = 0x65766572756E73
_PATIENCE = "60s"

# Of a copy of a data directory, until it is complete; see ``everruns.storage.transfer``.
UNFINISHED = "unfinished_transfer"

_IS_OPEN = " OR ".join(f"state LIKE '{status}%'" for status in sorted(OPEN_STATUSES))

_BEYOND = (
    "CREATE INDEX sessions_created_ms ON sessions (created_ms DESC, id DESC)",
    "CREATE INDEX sessions_agent_id ON sessions (agent_id, created_ms DESC, id DESC)",
    f"CREATE INDEX sessions_open ON sessions (created_ms, id) WHERE {_IS_OPEN}",
    "CREATE INDEX budgets_subject_id ON budgets (subject_id)",
    (
        "CREATE INDEX ledger_budget_id ON ledger (budget_id, created_at DESC, id DESC)"
        " INCLUDE (amount)"
    ),
    "CREATE INDEX receipts_resource_id ON receipts (resource_id)",
    "CREATE INDEX receipts_stored_ms ON receipts (stored_ms)",
    # Leaves room in each page for new versions of its rows, and removes old versions soon.
    "ALTER TABLE sessions SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01)",
    LISTS,
)


def prepare_tables(engine: Engine) -> None:
    """Create the tables in an empty database, or migrate those that are there.

    Processes that start at once take turns. All of it is one transaction.

    Raises:
        StoreUnavailable: A newer version of the program wrote the database, it cannot hold every
            text, or a data directory was only partly copied into it.
    """
    with preparing(engine) as connection:
        inspected = inspect(connection)
        if inspected.has_table(UNFINISHED):
            raise StoreUnavailable(
                "The PostgreSQL database has only a part of the data directory that is being"
                " copied into it. Let `everruns migrate` end, or run it again to go on"
            )
        if inspected.has_table("alembic_version"):
            migrate_on(connection)
        else:
            create_tables(connection)


@contextmanager
def preparing(engine: Engine) -> Generator[Connection]:
    """Open a transaction in which no other process creates or migrates the tables."""
    with engine.begin() as connection:
        lift_limits(connection)
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        yield connection


def lift_limits(connection: Connection) -> None:
    """Let the statements of this transaction take as long as they need."""
    for limit, value in {
        "statement_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        "lock_timeout": _PATIENCE,
    }.items():
        connection.execute(text(f"SET LOCAL {limit} = '{value}'"))


def create_tables(connection: Connection) -> None:
    """Create the tables in an empty database.

    Raises:
        StoreUnavailable: It cannot hold every text.
    """
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise StoreUnavailable(
            f"The encoding of the PostgreSQL database is {encoding}. Create one with"
            " ENCODING 'UTF8' TEMPLATE template0"
        )
    # What has both since PostgreSQL 17 needs no library; before, servers came with ICU.
    version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    source = "builtin, locale = 'C.UTF-8'" if version >= 170000 else "icu, locale = 'und'"
    connection.execute(text(f"CREATE COLLATION {SEARCH_COLLATION} (provider = {source})"))
    metadata.create_all(connection)
    for statement in _BEYOND:
        connection.execute(text(statement))
    note_migrated(connection)
