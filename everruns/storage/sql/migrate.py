"""Migrating the tables of a database to the schema of this version."""

import structlog
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine

from everruns.errors import StoreUnavailable

_log = structlog.stdlib.get_logger(__name__)


def migrate(engine: Engine, revision: str = "head") -> None:
    """Migrate the tables to the schema of this version.

    Args:
        engine: Of the database.
        revision: An older schema to stop at.

    Raises:
        StoreUnavailable: A newer version of the program wrote the database.
    """
    config = Config()
    config.set_main_option("script_location", "everruns.storage.sql:migrations")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            _log.error("database_migration_failed", detail=str(error))
            raise StoreUnavailable(
                "The database was written by a newer version of everruns. Install that version,"
                " or use another data directory"
            ) from None
