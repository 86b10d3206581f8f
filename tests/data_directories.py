"""Data directories for tests: copies of one that has the tables."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from everruns.storage.data_directory.opening import open_store
from everruns.storage.journal.store import JournaledStore


@cache
def _migrated() -> "TemporaryDirectory[str]":
    """Return a data directory that has the tables and no rows; it goes with this process."""
    folder = TemporaryDirectory(prefix="everruns-data-")
    open_store(Path(folder.name, "data")).close()
    return folder


def open_new_store(data_dir: Path) -> JournaledStore:
    """Open the store of a new data directory.

    It is copied and not migrated, which takes a quarter of the time. What tests the opening of a
    data directory opens an empty one.
    """
    shutil.copytree(Path(_migrated().name, "data"), data_dir, dirs_exist_ok=True)
    return open_store(data_dir)


@contextmanager
def usual_umask() -> Generator[None]:
    """Undo what opening a store does to the process: its files are for their owner alone."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)
