"""A journal: entries that are durable at once and kept until they are applied.

Append-only files of frames. A frame is a mark, the length and the checksum of its content, and the
content. If the power fails during a write, any block of it may be missing; nothing of it was
acknowledged, so an incomplete last frame is cut off. An incomplete frame before others is damage.
"""

import os
import re
import struct
import zlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import structlog

from everruns.log import error_kind
from everruns.storage.data_directory.durable import make_durable, make_folder_durable

FILE_BYTES = 4 * 1024 * 1024
_FRAME = struct.Struct("<4sII")
_MARK = b"EVJ1"
_NAME = re.compile(r"\d{12}")

_log = structlog.get_logger(__name__)


class JournalDamaged(OSError):
    """An entry is damaged, and others follow it."""


class JournalFromOtherVersion(OSError):
    """An entry is intact, but this version of the program does not understand it."""


@dataclass
class _File:
    path: Path
    descriptor: int
    size: int = 0
    undone: int = 0
    torn: bool = False


class Journal:
    """Keeps entries in a folder until they are applied, first in, first out.

    Safe to use from several threads.

    Args:
        folder: Created if missing. Nothing else may use it.

    Attributes:
        left: The entries that an earlier life did not apply, oldest first. They are kept until
            ``forget_left``.

    Raises:
        JournalDamaged: The entries of an earlier life cannot be read; nothing was changed.
        OSError: The folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        make_folder_durable(folder.parent)
        self._folder = folder
        self._lock = Lock()
        self._unremoved: list[Path] = []
        self._old = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
        self.left = _read(self._old)
        self._number = int(self._old[-1].name) if self._old else 0
        self._files = deque([self._new_file()])

    def forget_left(self) -> None:
        """Remove the entries of an earlier life, all of which are applied."""
        for path in self._old:
            self._remove(path)
        self._old, self.left = [], []

    def write(self, entry: bytes) -> None:
        """Add an entry; it is durable when this returns.

        Raises:
            OSError: It is not durable. If the failed write could not be undone, the next life may
                still find the entry, and no other entry is accepted until it is undone.
        """
        frame = _frame(entry)
        with self._lock:
            self._check()
            if self._files[-1].size >= FILE_BYTES:
                self._files.append(self._new_file())
            file = self._files[-1]
            try:
                _write(file.descriptor, frame)
            except OSError:
                file.torn = True
                self._take_back(file)
                raise
            file.size += len(frame)
            file.undone += 1

    def settle(self) -> None:
        """Make sure that the next life finds no applied entries.

        Raises:
            OSError: Applied entries remain.
        """
        with self._lock:
            self._check()
            for path in self._unremoved:
                path.unlink(missing_ok=True)
            self._unremoved = []
            file = self._files[-1]
            if file.size and not file.undone:
                os.ftruncate(file.descriptor, 0)
                file.size = 0
            make_durable(file.descriptor)
            make_folder_durable(self._folder)

    def check(self) -> None:
        """Check that entries can be written, as far as known.

        Raises:
            OSError: Entries cannot be written.
        """
        with self._lock:
            self._check()

    def done(self, count: int) -> None:
        """Mark the oldest so many entries as applied; the next life may still find them."""
        with self._lock:
            while self._files:
                file = self._files[0]
                finished = min(count, file.undone)
                file.undone -= finished
                count -= finished
                if file.undone:
                    return
                if len(self._files) == 1:
                    if file.size:
                        self._empty(file)
                    return
                os.close(self._files.popleft().descriptor)
                self._remove(file.path)

    def keep_aside(self, entry: bytes) -> Path:
        """Store entries that cannot be applied, durably; return the file.

        Raises:
            OSError: It is not stored.
        """
        path = self._folder.with_name(f"{self._folder.name}.refused")
        descriptor = _open(path, os.O_APPEND)
        try:
            _write(descriptor, _frame(entry))
        finally:
            os.close(descriptor)
        make_folder_durable(path.parent)
        return path

    def close(self) -> None:
        """Close the files and delete them, unless they contain unapplied entries."""
        with self._lock:
            while self._files:
                file = self._files.popleft()
                os.close(file.descriptor)
                if not file.undone:
                    self._remove(file.path)

    def _check(self) -> None:
        if not self._files:
            raise OSError("The journal is closed")
        if self._files[-1].torn:
            self._take_back(self._files[-1])

    def _new_file(self) -> _File:
        self._number += 1
        path = self._folder / f"{self._number:012}"
        file = _File(path, _open(path, os.O_APPEND | os.O_EXCL))
        try:
            make_folder_durable(self._folder)
        except OSError:
            os.close(file.descriptor)
            self._remove(path)
            raise
        return file

    # Entries are idempotent, so applied entries may stay.

    def _empty(self, file: _File) -> None:
        try:
            os.ftruncate(file.descriptor, 0)
            file.size = 0
        except OSError as error:
            _log.warning("journal not emptied", file=str(file.path), error=error_kind(error))

    def _remove(self, path: Path) -> None:
        try:
            path.unlink()
        except OSError as error:
            self._unremoved.append(path)
            _log.warning("journal not removed", file=str(path), error=error_kind(error))

    def _take_back(self, file: _File) -> None:
        """Remove the rest of a failed write, which would later be taken for another entry."""
        try:
            os.ftruncate(file.descriptor, file.size)
            make_durable(file.descriptor)
        except OSError as error:
            _log.error("journal not writable", file=str(file.path), error=error_kind(error))
            raise
        file.torn = False


def _write(descriptor: int, content: bytes) -> None:
    written = 0
    while written < len(content):
        written += os.write(descriptor, content[written:])
    make_durable(descriptor)


def _open(path: Path, flags: int) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600)


def _frame(entry: bytes) -> bytes:
    return _FRAME.pack(_MARK, len(entry), zlib.crc32(entry)) + entry


def _read(paths: list[Path]) -> list[bytes]:
    entries: list[bytes] = []
    for path in paths:
        content = path.read_bytes()
        position = 0
        while (frame := _frame_at(content, position)) is not None:
            entries.append(frame)
            position += _FRAME.size + len(frame)
        if position == len(content):
            continue
        if path != paths[-1] or _is_followed(content, position):
            raise JournalDamaged(f"Corrupt journal {path}: not readable from byte {position} on")
        _log.warning("torn write cut off", file=str(path), size_bytes=len(content) - position)
        # At once, because this file will no longer be the last one.
        with path.open("r+b") as file:
            file.truncate(position)
            make_durable(file.fileno())
    return entries


def _frame_at(content: bytes, position: int) -> bytes | None:
    """Return the content of the frame at a position, if it is intact."""
    if len(content) - position < _FRAME.size:
        return None
    mark, length, checksum = _FRAME.unpack_from(content, position)
    start = position + _FRAME.size
    entry = content[start : start + length]
    if mark != _MARK or len(entry) < length or zlib.crc32(entry) != checksum:
        return None
    return entry


def _is_followed(content: bytes, position: int) -> bool:
    """Tell whether an intact frame follows a damaged one."""
    while (position := content.find(_MARK, position + 1)) >= 0:
        if _frame_at(content, position) is not None:
            return True
    return False
