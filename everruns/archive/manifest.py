"""The manifest: which files are the archive.

A file is written under a name of its own and never changed; it counts from the moment at which a
manifest names it, and no longer when one does not. So the archive goes from one whole state to the
next, whenever a process dies.
"""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from everruns.storage.data_directory.durable import make_durable, make_folder_durable
from everruns.storage.history import Totals

FORMAT = 1
"""Of the manifest and of the columns. An archive of another format is rebuilt."""

ARCHIVE_FOLDER = "archive"
"""Where the archive is in a data directory."""

MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class Part:
    """A file of events.

    Attributes:
        path: Relative to the archive.
        rows: How many events it has.
    """

    path: str
    rows: int

    @property
    def day(self) -> str:
        """The day of its events in UTC, such as ``2026-01-31``."""
        return Path(self.path).parent.name.removeprefix("day=")


@dataclass(frozen=True)
class Manifest:
    """A state of the archive.

    Attributes:
        parts: The files of events.
        sessions: The file of sessions, relative to the archive; ``None`` in an empty archive.
        totals: The sessions that it has, and the events.
        format: ``FORMAT``.
    """

    parts: tuple[Part, ...] = ()
    sessions: str | None = None
    totals: Totals = field(default_factory=Totals)
    format: int = FORMAT

    @property
    def paths(self) -> set[str]:
        """All files, relative to the archive."""
        return {part.path for part in self.parts} | ({self.sessions} if self.sessions else set())


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of an archive; ``None`` if it has none that can be used."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST_FILE).read_bytes(), type=Manifest)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return manifest if manifest.format == FORMAT else None


def write_manifest(folder: Path, manifest: Manifest, new: Iterable[str]) -> None:
    """Make a manifest the one that counts.

    Args:
        folder: The archive.
        manifest: Names the files.
        new: Those that were written since the last manifest, relative to the archive.

    Raises:
        OSError: The last manifest still counts, or the new one does.
    """
    folders = {folder}
    for path in new:
        _make_file_durable(folder / path)
        folders |= {(folder / path).parent, (folder / path).parent.parent}
    for each in folders:
        make_folder_durable(each)
    written = folder / f"{MANIFEST_FILE}.new"
    with written.open("wb") as file:
        file.write(msgspec.json.encode(manifest))
        file.flush()
        make_durable(file.fileno())
    written.replace(folder / MANIFEST_FILE)
    make_folder_durable(folder)


def delete_archive(data_dir: Path) -> None:
    """Delete the archive of a data directory that is to have none.

    Raises:
        OSError: Some of it is left.
    """
    folder = data_dir / ARCHIVE_FOLDER
    if folder.exists():
        shutil.rmtree(folder)


def _make_file_durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        make_durable(descriptor)
    finally:
        os.close(descriptor)
