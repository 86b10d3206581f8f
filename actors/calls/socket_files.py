"""The files of listening sockets: each in a private folder that only its user can enter.

A socket without a file (in Linux's abstract namespace) belongs to the machine's network: processes
that share it, such as a container with the host's network, could connect. A file is unreachable for
processes that do not see this folder.

If the kernel reports the user of the process at the other end, it must be our own user.

A killed process leaves its folder behind; the next process that listens removes it.
"""

import socket
import stat
import struct
import time
from errno import EACCES, ECONNREFUSED
from os import getuid
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

# Not the data directory: a socket's path may have at most 107 bytes (103 on macOS).
PARENT = Path("/tmp")  # noqa: S108 - each folder is made anew, under a random name, for its user
PREFIX = "everruns_calls_"
NAME = "socket"
UNBORN = "starting"
START_TIMEOUT_S = 60.0
CREDENTIALS = struct.Struct("3i")


def listen(backlog: int) -> tuple[socket.socket, Path]:
    """Return a listening, non-blocking socket, and its file.

    Raises:
        OSError: The file system refuses.
    """
    remove_left_behind()
    folder = Path(mkdtemp(prefix=PREFIX, dir=PARENT))
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.setblocking(False)
        # Renamed only once it answers, because a socket that does not answer counts as left over.
        listening.bind(str(folder / UNBORN))
        listening.listen(backlog)
        path = (folder / UNBORN).rename(folder / NAME)
    except OSError:
        listening.close()
        remove(folder / NAME)
        raise
    return listening, path


def connect(path: Path) -> socket.socket:
    """Return a non-blocking connection to the socket of this file.

    Raises:
        OSError: Nobody listens there, the folder is not private, or too many clients are
            connecting.
    """
    folder = path.parent.lstat()
    if folder.st_uid != getuid() or stat.S_IMODE(folder.st_mode) != stat.S_IRWXU:
        raise PermissionError(
            EACCES, "The folder is not a private one of this user.", str(path.parent)
        )
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.setblocking(False)
        connection.connect(str(path))  # A local connection succeeds at once or is refused.
    except OSError:
        connection.close()
        raise
    return connection


def refuse_other_user(connection: socket.socket) -> None:
    """Refuse a process of another user, if the kernel reports whose process it is.

    Raises:
        ConnectionRefusedError: The process at the other end belongs to another user.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return  # macOS, where the private folder and the secret must suffice.
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    _, user, _ = CREDENTIALS.unpack(credentials)
    if user != getuid():
        raise ConnectionRefusedError(
            ECONNREFUSED, "The process at the other end belongs to another user."
        )


def remove(path: Path) -> None:
    """Remove a socket's file and its folder."""
    rmtree(path.parent, ignore_errors=True)


def remove_left_behind() -> None:
    """Remove the folders of this user's killed processes."""
    for folder in PARENT.glob(f"{PREFIX}*"):
        try:
            is_ours = folder.lstat().st_uid == getuid()
            is_starting = time.time() - folder.lstat().st_mtime < START_TIMEOUT_S
        except FileNotFoundError:
            continue  # Another process has just removed it.
        if is_ours and _is_dead(folder / NAME, is_starting=is_starting):
            remove(folder / NAME)


def _is_dead(path: Path, *, is_starting: bool) -> bool:
    try:
        connect(path).close()
    except FileNotFoundError:
        return not is_starting
    except ConnectionRefusedError:
        return True
    except OSError:
        return False  # It exists but is too busy to accept another connection.
    return False
