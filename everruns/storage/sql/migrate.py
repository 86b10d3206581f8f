"""Migrating the tables of a database to the schema of this version."""

from collections.abc import Callable

import structlog
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

from everruns.errors import StoreUnavailable
from everruns.log import error_kind

_log = structlog.stdlib.get_logger(__name__)


def migrate(engine: Engine, revision: str = "head") -> None:
    """Migrate the tables to the schema of this version.

    Args:
        engine: Of the database.
        revision: An older schema to stop at.

    Raises:
        StoreUnavailable: A newer version of the program wrote the database.
    """
    with engine.connect() as connection:
        migrate_on(connection, revision)


def migrate_on(connection: Connection, revision: str = "head") -> None:
    """Migrate the tables, within the transaction that a connection may have begun."""
    _run(connection, lambda config: command.upgrade(config, revision))


def note_migrated(connection: Connection) -> None:
    """Note that the tables have the schema of this version, as they were made from it."""
    _run(connection, lambda config: command.stamp(config, "head"))


def _run(connection: Connection, run: Callable[[Config], None]) -> None:
    config = Config()
    config.set_main_option("script_location", "everruns.storage.sql:migrations")
    config.attributes["connection"] = connection
    try:
        run(config)
    except CommandError as error:
        _log.error("database not migrated", error=error_kind(error))
        raise StoreUnavailable(
            "The database was written by a newer version of everruns. Install that version,"
            " or use another data directory or database"
        ) from None
