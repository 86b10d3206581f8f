"""What callers are told when a disk or a database does not take something."""

from errno import EDQUOT, EFBIG, ENOSPC

from everruns.errors import StoreUnavailable

_DISK_FULL = frozenset({EDQUOT, EFBIG, ENOSPC})


def is_disk_full(error: OSError) -> bool:
    """Tell whether a write failed because the disk, a quota or a file's limit is reached."""
    return error.errno in _DISK_FULL


def not_stored(*, disk_full: bool) -> StoreUnavailable:
    """Return the error of a call that stored nothing.

    Args:
        disk_full: Whether the disk is full.
    """
    if disk_full:
        return StoreUnavailable(
            "The server's disk is full: nothing was stored. Free some space on it"
        )
    return StoreUnavailable("The database did not answer. Try again in a moment")
