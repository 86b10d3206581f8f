"""Making files durable: the data survives a power failure once these functions return.

On Linux ``fdatasync`` writes a file's content and size to the disk. On macOS it does not exist, and
``fsync`` hands the data to the drive, which may keep it in a volatile cache; ``F_FULLFSYNC`` also
empties that cache. A file system that does not know ``F_FULLFSYNC`` gets ``fsync``, as in SQLite.

Source: fcntl(2) and fsync(2) of macOS; fdatasync(2) of Linux.
"""

import errno
import fcntl
import os
from pathlib import Path

_NOT_SUPPORTED = frozenset({errno.ENOTSUP, errno.EINVAL, errno.ENOTTY})


def make_durable(descriptor: int) -> None:
    """Make the content of an open file durable.

    Args:
        descriptor: Of the file.

    Raises:
        OSError: It is not durable.
    """
    full_sync = getattr(fcntl, "F_FULLFSYNC", None)
    if full_sync is not None:
        try:
            fcntl.fcntl(descriptor, full_sync)
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
            os.fsync(descriptor)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def make_folder_durable(folder: Path) -> None:
    """Make the names of the files in a folder durable: those created, renamed and removed.

    Args:
        folder: An existing folder.

    Raises:
        OSError: They are not durable.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if hasattr(fcntl, "F_FULLFSYNC"):
            make_durable(descriptor)
        else:
            # A folder has only metadata.
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
