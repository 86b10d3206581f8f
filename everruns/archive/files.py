"""The files of an archive: from one state to the next, and what is left over."""

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import IO

import duckdb
import structlog

from everruns.archive.batch import Batch
from everruns.archive.comparison import Known, totals_of, totals_with
from everruns.archive.manifest import Manifest, Part, read_manifest, write_manifest
from everruns.archive.parquet import Parquet
from everruns.errors import Conflict, StoreUnavailable
from everruns.log import error_kind
from everruns.storage.duckdb.error_texts import loggable

SPOOL = "spool"
LOCK_FILE = "lock"

_log = structlog.stdlib.get_logger(__name__)


class ArchiveFiles:
    """Owns the folder of an archive; one process at a time does.

    From here on the process creates only files that no other user can read. Its methods block, and
    may raise ``StoreUnavailable``: the archive is as it was before.

    Args:
        folder: The folder, created if it is not there.

    Raises:
        Conflict: Another process has it.
    """

    def __init__(self, folder: Path) -> None:
        os.umask(0o077)
        self.folder = folder
        with _answering():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _lock(folder / LOCK_FILE)
            spool = folder / SPOOL
            shutil.rmtree(spool, ignore_errors=True)
            spool.mkdir(mode=0o700)
            self._parquet = Parquet(spool)
        # Guards what follows: readers come in the event loop, changes are made in threads.
        self._counting = Lock()
        self._read: list[Manifest] = []
        self._retired: set[str] = set()
        self.manifest = read_manifest(folder) or Manifest()
        self.known = self._read_known()
        self._delete_others()

    def _read_known(self) -> dict[str, Known]:
        if self.manifest.sessions is None:
            return {}
        try:
            rows = self._parquet.read_sessions(self.folder / self.manifest.sessions)
        except duckdb.Error as error:
            # It is a copy, and nothing else is lost with it.
            _log.error("archive unreadable", error=loggable(error))
            self.manifest = Manifest()
            return {}
        return {
            identity: Known(length, created, updated) for identity, length, created, updated in rows
        }

    def _delete_others(self) -> None:
        """Delete what no manifest names: what a crash has left, or an archive of another format."""
        named = {self.folder / path for path in self.manifest.paths}
        for path in self.folder.glob("*/**/*.parquet"):
            if path not in named:
                path.unlink()

    @contextmanager
    def reading(self) -> Generator[Manifest]:
        """Give the current manifest, whose files stay as long as somebody reads them."""
        with self._counting:
            manifest = self.manifest
            self._read.append(manifest)
        try:
            yield manifest
        finally:
            with self._counting:
                self._read.remove(manifest)
                self._delete_retired()

    def add(self, batch: Batch, agent_names: Mapping[str, str]) -> None:
        """Add a batch of events and sessions, and give agents their current names."""
        with _answering():
            new: list[Part] = []
            for day, lines in sorted(batch.days.items()):
                part = Part(_name(f"events/day={day}"), len(lines))
                self._parquet.write_events(lines, self.folder / part.path)
                new.append(part)
            sessions = self._write_sessions(batch.sessions.values(), (), agent_names)
            totals = totals_with(self.manifest.totals, self.known, batch.known)
            self._advance(Manifest((*self.manifest.parts, *new), sessions, totals))
        self.known.update(batch.known)

    def remove(self, session_ids: Collection[str], deadline: float) -> bool:
        """Remove sessions, file by file; they are gone when none of their events is left.

        Args:
            session_ids: The sessions.
            deadline: When to stop, by the monotonic clock; the next call goes on.

        Returns:
            Whether they are gone.
        """
        with _answering():
            by_path = {self.folder / part.path: part for part in self.manifest.parts}
            for path, others in self._parquet.find_events([*by_path], session_ids).items():
                parts = [part for part in self.manifest.parts if part != by_path[path]]
                if others:
                    part = Part(_name(f"events/day={by_path[path].day}"), others)
                    self._parquet.write_events_without(path, session_ids, self.folder / part.path)
                    parts.append(part)
                self._advance(replace(self.manifest, parts=tuple(parts)))
                if time.monotonic() >= deadline:
                    return False
            sessions = self._write_sessions((), session_ids, {})
            left = self.manifest.totals - totals_of(self.known[one] for one in session_ids)
            self._advance(replace(self.manifest, sessions=sessions, totals=left))
        for session_id in session_ids:
            del self.known[session_id]
        return True

    def merge(self, group: Sequence[Part]) -> None:
        """Put one file of events in the place of several of one day."""
        with _answering():
            merged = Part(_name(f"events/day={group[0].day}"), sum(part.rows for part in group))
            sources = [self.folder / part.path for part in group]
            self._parquet.merge_events(sources, self.folder / merged.path)
            kept = [part for part in self.manifest.parts if part not in group]
            self._advance(replace(self.manifest, parts=(*kept, merged)))

    def _write_sessions(
        self, rows: Iterable[Mapping[str, object]], gone: Iterable[str], names: Mapping[str, str]
    ) -> str:
        path = _name("sessions")
        earlier = self.manifest.sessions
        self._parquet.write_sessions(
            None if earlier is None else self.folder / earlier,
            rows,
            gone,
            names,
            self.folder / path,
        )
        return path

    def _advance(self, manifest: Manifest) -> None:
        write_manifest(self.folder, manifest, manifest.paths - self.manifest.paths)
        with self._counting:
            self._retired |= self.manifest.paths - manifest.paths
            self.manifest = manifest
            self._delete_retired()

    def _delete_retired(self) -> None:
        # There may always be a reader, but each reads what was current when it began.
        read = set[str]().union(*(manifest.paths for manifest in self._read))
        for path in self._retired - read:
            (self.folder / path).unlink(missing_ok=True)
        self._retired &= read

    def close(self) -> None:
        """Let go of the folder."""
        self._parquet.close()
        self._lock.close()


def _name(folder: str) -> str:
    return f"{folder}/{uuid.uuid4().hex}.parquet"


def _lock(path: Path) -> IO[bytes]:
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise Conflict(f"Another process keeps the archive in {path.parent}.") from None
    return file


@contextmanager
def _answering() -> Generator[None]:
    """Translate errors of files and of DuckDB, which quote rows."""
    try:
        yield
    except OSError as error:
        _log.error("archive failed", error=error_kind(error))
        raise StoreUnavailable(f"The archive cannot be written: {error.strerror}.") from None
    except duckdb.Error as error:
        _log.error("archive failed", error=loggable(error))
        raise StoreUnavailable(
            f"The archive cannot be written ({type(error).__name__}). If that goes on, stop the "
            "server and delete the archive: it is rebuilt."
        ) from None
