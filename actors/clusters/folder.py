"""The folder of Ray's sessions, their sockets and logs: private, and bounded."""

import os
import stat
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir

from everruns.errors import Unavailable

# Ray adds up to 71 characters for its sockets, and a socket's path may have 103 (macOS) or 107.
LONGEST_FOLDER = 34
KEPT_SESSIONS = 3
# A link to the data directory, so that folders of deleted data directories are recognised.
OWNER_LINK = "data"


def ray_folder(data_dir: Path) -> Path:
    """Return the folder in which Ray keeps the sessions of a data directory's servers.

    It is not in the data directory, whose path may be too long for sockets. No other user can enter
    it, because Ray creates its contents world-writable.

    Raises:
        Unavailable: A file or folder of another user is in its place.
    """
    base = _private(_base() / f"everruns-{os.getuid()}")
    folder = _private(base / sha256(os.fsencode(data_dir)).hexdigest()[:8])
    with suppress(FileExistsError):
        (folder / OWNER_LINK).symlink_to(data_dir)
    return folder


def remove_old_sessions(data_dir: Path) -> None:
    """Delete the folders of all but the latest sessions, whose logs may still be wanted.

    Folders of deleted data directories are deleted too. Called by the process that holds
    the data directory, before it starts Ray.
    """
    folder = ray_folder(data_dir)
    for other in folder.parent.iterdir():
        link = other / OWNER_LINK
        if link.is_symlink() and not link.exists():
            rmtree(other, ignore_errors=True)
    sessions = [path for path in folder.glob("ray/session_*") if not path.is_symlink()]
    for session in sorted(sessions)[:-KEPT_SESSIONS]:
        rmtree(session, ignore_errors=True)


def _base() -> Path:
    """Return the folder for temporary files, or /tmp if its path would be too long."""
    temporary = Path(gettempdir())
    spare = LONGEST_FOLDER - len(f"/everruns-{os.getuid()}/12345678")
    return temporary if len(str(temporary)) <= max(spare, 0) else Path("/tmp")  # noqa: S108


def _private(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        if is_own and stat.S_IMODE(status.st_mode) & 0o077:
            folder.chmod(0o700)
    except FileExistsError:
        is_own = False
    except OSError as error:
        raise Unavailable(
            f"The folder {folder} for Ray's sockets and logs cannot be used: {error.strerror}. "
            "Set TMPDIR to a folder of your own with a short path."
        ) from None
    if not is_own:
        raise Unavailable(
            f"{folder} does not belong to this user, so Ray's sockets would not be safe there. "
            "Remove it, or set TMPDIR to a folder of your own with a short path."
        )
    return folder
