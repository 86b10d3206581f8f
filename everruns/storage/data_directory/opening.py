"""The data directory: opening and repairing its store."""

import os
from contextlib import ExitStack
from pathlib import Path

from pydantic import SecretStr

from everruns.storage.data_directory.encryption import Cipher, load_key
from everruns.storage.data_directory.key_file import import_key_file
from everruns.storage.data_directory.opening_errors import opening
from everruns.storage.duckdb.database import DuckDB
from everruns.storage.duckdb.engine import duckdb_engine, has_read_log
from everruns.storage.duckdb.wal import connect_and_mend
from everruns.storage.journal.file import Journal
from everruns.storage.journal.store import JournaledStore
from everruns.storage.sql.migrate import migrate
from everruns.storage.sql.store import SqlStore

DATABASE_FILE = "everruns.duckdb"
LOG_FILE = f"{DATABASE_FILE}.wal"
JOURNAL_FOLDER = "journal"


def open_store(data_dir: Path, encryption_key: SecretStr | None = None) -> JournaledStore:
    """Open the store of a data directory, creating missing files.

    From here on the process creates only files that no other user can read.

    Args:
        data_dir: Folder of the database, its journal and, unless one is given, the encryption key.
        encryption_key: 32 bytes as base64 that encrypt the API keys of providers.

    Raises:
        InvalidRequest: The encryption key is not 32 bytes as base64.
        StoreUnavailable: Another process uses the directory, it cannot be used, its database is
            damaged or its API keys were encrypted with another key, or the file of API keys that
            an earlier version left is damaged. The message says what to do.
    """
    # DuckDB creates files at any time, with the mode that the umask allows.
    os.umask(0o077)
    with opening(data_dir), ExitStack() as undo:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        cipher = Cipher(load_key(data_dir, encryption_key))
        engine = duckdb_engine(str(data_dir / DATABASE_FILE))
        undo.callback(engine.dispose)
        connect_and_mend(data_dir / LOG_FILE, lambda: has_read_log(engine))
        migrate(engine)
        database = DuckDB(engine)
        undo.callback(database.close)
        journal = Journal(data_dir / JOURNAL_FOLDER)
        undo.callback(journal.close)
        store = JournaledStore(SqlStore(database, cipher), journal)
        undo.callback(store.close)
        store.providers.list()  # raises if they were encrypted with another key
        import_key_file(data_dir, store.api_keys)
        undo.pop_all()
    return store
