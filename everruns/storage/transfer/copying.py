"""Copying a data directory into a PostgreSQL database, in steps that can be repeated."""

import time
from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import Table

from everruns.errors import Conflict, StoreUnavailable
from everruns.storage.sql.tables import metadata
from everruns.storage.transfer.digest import Digest
from everruns.storage.transfer.source import ROWS_AT_ONCE, Source, open_source
from everruns.storage.transfer.target import Reached, Target, open_target

REPORT_EVERY_S = 1.0

TABLES = metadata.sorted_tables

Report = Callable[[str], None]


def copy_data_directory(
    data_dir: Path, encryption_key: SecretStr | None, address: SecretStr, report: Report
) -> dict[str, int]:
    """Copy everything that a data directory holds into a PostgreSQL database, and compare it.

    Whatever ends it before its end, the same call goes on where it stood. Until then no server
    starts on the database. The data directory stays as it is.

    Args:
        data_dir: The directory of a server that is stopped.
        encryption_key: The server's, unless it is in the directory. Secrets stay encrypted with it.
        address: Address of a database without tables, or of one with a part of this copy.
        report: Is given a line about each step.

    Returns:
        How many rows each table has, which are the same in both.

    Raises:
        Conflict: A process uses the directory, or the database has something else.
        InvalidRequest: There is no database in the directory, a text in it cannot be stored in
            PostgreSQL, or the address or the encryption key is malformed.
        StoreUnavailable: One of the two cannot be used. The message says what to do.
    """
    with open_target(address) as target, open_source(data_dir, encryption_key) as source:
        digests = _digests(source, report)
        reached = target.begin(digests)
        try:
            for table in TABLES:
                _copy(source, target, table, reached[table.name], digests[table.name], report)
            _compare(target, digests, report)
            target.finish()
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"{error.message}. What is copied stays: run the same command again to go on"
            ) from None
    return {name: found.rows for name, found in digests.items()}


def _digests(source: Source, report: Report) -> dict[str, Digest]:
    digests: dict[str, Digest] = {}
    for table in TABLES:
        report(f"Reading {table.name}")
        source.check_texts(table)
        digests[table.name] = source.digest(table)
    return digests


def _copy(
    source: Source, target: Target, table: Table, reached: Reached, found: Digest, report: Report
) -> None:
    end = source.end(table)
    reported = 0.0
    while reached.place < end:
        rows = source.read(table, reached.place)
        after = Reached(reached.place + ROWS_AT_ONCE, reached.copied + len(rows))
        target.load(table, rows, reached, after)
        reached = after
        if reached.place >= end or time.monotonic() - reported >= REPORT_EVERY_S:
            report(f"Copied {reached.copied:,} of {found.rows:,} rows of {table.name}")
            reported = time.monotonic()


def _compare(target: Target, digests: dict[str, Digest], report: Report) -> None:
    for table in TABLES:
        report(f"Comparing {table.name}")
        copied = target.digest(table)
        if copied != digests[table.name]:
            raise Conflict(
                f"The copy of {table.name} differs from what the data directory has: it has"
                f" {copied.rows:,} rows of {digests[table.name].rows:,}, or others. No server"
                " starts on it. Copy into an empty database."
            )
