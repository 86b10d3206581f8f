"""Copying a DuckDB file while others read and write it."""

import os
from errno import EEXIST
from pathlib import Path

from sqlalchemy import Engine, text

from everruns.storage.data_directory.durable import make_durable, make_folder_durable


def copy_database(engine: Engine, target: Path) -> None:
    """Write a copy of a database, as it is at one moment, into a new file.

    Others read and write meanwhile. The file has its name only once it is complete and durable.

    Args:
        engine: Of the database.
        target: The new file.

    Raises:
        FileExistsError: There is a file of this name.
        OSError: It cannot be written.
    """
    if target.exists():
        raise FileExistsError(EEXIST, os.strerror(EEXIST), str(target))
    partial = target.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with engine.connect() as reading:
        source = reading.execute(text("SELECT current_database()")).scalar_one()
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        # DuckDB takes no parameters here.
        quoted = str(partial).replace("'", "''")
        cursor.execute(f"ATTACH '{quoted}' AS backup")
        try:
            cursor.execute(f'COPY FROM DATABASE "{source}" TO backup')
        finally:
            cursor.execute("DETACH backup")
        with partial.open("rb+") as written:
            make_durable(written.fileno())
        partial.rename(target)
        make_folder_durable(target.parent)
    finally:
        connection.close()
        partial.unlink(missing_ok=True)
