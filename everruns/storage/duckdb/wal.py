"""The end of the database's write-ahead log after a crash: torn writes and damage.

When the power fails during a write, any of its blocks may be missing: the log ends too early, or
has zeros in place of data. Nothing of that write was acknowledged, so it is cut off. DuckDB does so
if a record is too short, but silently and even if acknowledged records follow; and if a record has
its full length but not its data, DuckDB does not open the database at all. Here the records after
the first incomplete one decide both cases.

Source: DuckDB, src/storage/wal_replay.cpp and src/storage/write_ahead_log.cpp.
"""

import os
import re
import struct
from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy.exc import DBAPIError

from everruns.storage.data_directory.durable import make_durable, make_folder_durable

# The first record has neither size nor checksum. It holds its type and the log's version, and since
# DuckDB 1.4 the sixteen numbers that name the database and how often it was checkpointed.
_FIRST_RECORD = re.compile(
    rb"""d\x00b e\x00\x02
    (?: f\x00\x10 (?: [\x00-\x7f] | [\x80-\xff]\x01 ){16} )?
    (?: g\x00 [\x80-\xff]{0,9} [\x00-\x7f] )?
    \xff\xff""",
    re.VERBOSE,
)
# Every other record: how long its body is, the body's checksum, the body.
_RECORD = struct.Struct("<QQ")
# The record that ends a transaction; only then does a commit return.
_COMMIT = re.compile(rb"\x05\x00{7}.{8}d\x00d\xff\xff", re.DOTALL)
_WRONG_CHECKSUM = re.compile(r"Corrupt WAL file: entry at byte position (\d+) ")

_log = structlog.stdlib.get_logger(__name__)


class LogDamaged(OSError):
    """A record is damaged, and the records after it would be lost with it."""


def connect_and_mend(log: Path, connect: Callable[[], bool]) -> None:
    """Open the database of a log without its last write, if that was torn.

    The cut-off part is kept in a file next to the log.

    Args:
        log: The write-ahead log; it need not exist.
        connect: Opens the database and tells whether it has read anything from the log. Raises
            what SQLAlchemy raises; may be called twice.

    Raises:
        LogDamaged: More than the last write is damaged. Nothing was changed.
    """
    content = log.read_bytes() if log.exists() else b""
    end = _end_of_transactions(content)
    _refuse_damage(content, end)
    try:
        if not connect() and log.exists():
            end = 0
            _refuse_damage(content, end)
    except DBAPIError as error:
        found = _WRONG_CHECKSUM.search(str(error.orig))
        if found is None:
            raise
        position = int(found[1]) - _RECORD.size
        end = _end_of_transactions(content[:position])
        _refuse_damage(content, end)
        _keep(log, content, end)
        os.truncate(log, position)
        connect()
    else:
        # DuckDB has skipped the rest and cuts it off at its next write.
        if end < len(content):
            _keep(log, content, end)


def _end_of_transactions(log: bytes) -> int:
    """Return the end of the last transaction up to which every size is right.

    Logs with an unknown beginning are left to DuckDB.
    """
    first = _FIRST_RECORD.match(log)
    if first is None:
        return len(log)
    end = position = first.end()
    while len(log) - position >= _RECORD.size:
        size, _checksum = _RECORD.unpack_from(log, position)
        if not 0 < size <= len(log) - position - _RECORD.size:
            break
        commit = _COMMIT.match(log, position)
        position += _RECORD.size + size
        if commit is not None:
            end = position
    return end


def _refuse_damage(log: bytes, end: int) -> None:
    """Raise unless at most one transaction, the last, follows.

    Its blocks are written in any order, so its end may be there without its middle.

    Raises:
        LogDamaged: A transaction that follows was acknowledged.
    """
    commit = _COMMIT.search(log, end)
    if commit is not None and commit.end() < len(log):
        raise LogDamaged(f"Corrupt WAL file: it cannot be read from byte position {end} on")


def _keep(log: Path, content: bytes, end: int) -> None:
    kept = log.with_name(f"{log.name}.torn-at-{end}")
    with kept.open("wb") as file:
        file.write(content[end:])
        file.flush()
        make_durable(file.fileno())
    make_folder_durable(kept.parent)
    _log.warning("torn write cut off", log=str(log), size_bytes=len(content) - end, kept=str(kept))
