"""Processes that are forked from one that has imported what takes long to import.

That one has not imported Ray, which reads its environment then.
"""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from typing import Any

# What commands print is not broken into lines; read when their module is imported.
WIDTH = {"COLUMNS": "200"}

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(
    [
        "everruns.cli",
        # What commands import when they need it.
        "actors.calls.registry_stub",
        "alembic.autogenerate",
        "duckdb_engine",
        "everruns.storage.data_directory.opening",
        "everruns.storage.postgres.opening",
    ]
)


def forked(target: Callable[..., None], *args: Any) -> ForkServerProcess:
    """Run a function of a module in a process of its own, which is started already."""
    before = os.environ.copy()
    os.environ.update(WIDTH)
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)
    process = _forks.Process(target=target, args=args)
    process.start()
    return process
