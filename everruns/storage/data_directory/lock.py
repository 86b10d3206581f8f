"""The data directory's lock: one server at a time; another one is told who holds it."""

import fcntl
import json
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from errno import EACCES
from pathlib import Path

from everruns.errors import Conflict, StoreUnavailable

LOCK_FILE = "server.lock"


def make_data_directory(data_dir: Path) -> None:
    """Create a missing data directory, accessible only to its owner.

    Raises:
        StoreUnavailable: It cannot be created, or this user cannot write to it.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
    except OSError as error:
        raise _unusable(data_dir, error) from None


def _unusable(data_dir: Path, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"The data directory {data_dir} cannot be used: {error.strerror}. Choose another with "
        "--data-dir."
    )


@contextmanager
def lock_data_directory(
    data_dir: Path, address: str | None = None
) -> Generator[Callable[[str], None]]:
    """Lock a data directory, which is created if missing.

    Gives a function that replaces the address, for a server that learns only later where it is.

    The lock is released when the process ends, for whatever reason.

    Args:
        data_dir: The directory.
        address: This server's address, to tell a second server; ``None`` for a command
            that is not a server.

    Raises:
        Conflict: Another process holds it.
        StoreUnavailable: It cannot be written.
    """
    make_data_directory(data_dir)
    try:
        descriptor = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable(data_dir, error) from None
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(_who_holds(file.read(), data_dir)) from None

        def name_holder(address: str | None) -> None:
            try:
                file.seek(0)
                file.truncate()
                json.dump({"pid": os.getpid(), "address": address}, file)
                file.flush()
            except OSError as error:
                raise _unusable(data_dir, error) from None

        name_holder(address)
        yield name_holder


def find_server(data_dir: Path) -> str | None:
    """Return the address of the server that holds a data directory, if one does.

    The lock is not tried for that: a server that starts at this moment would find it taken.
    """
    try:
        holder = json.loads((data_dir / LOCK_FILE).read_text())
        address, pid = holder["address"], holder["pid"]
        # What an earlier server wrote stays after its end.
        os.kill(pid, 0)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return address if isinstance(address, str) else None


def _who_holds(text: str, data_dir: Path) -> str:
    try:
        holder = json.loads(text)
        name = f"the server at {holder['address']}" if holder["address"] else "a command"
        who = f"{name} (process {holder['pid']})"
    except (ValueError, KeyError, TypeError):
        who = "another server"
    return (
        f"The data directory {data_dir} is in use by {who}. Stop it, or choose another directory "
        "with --data-dir."
    )
