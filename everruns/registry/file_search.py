"""Searching the files of workspaces, in child processes."""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from everruns.domain.base import MIB
from everruns.domain.files import File
from everruns.errors import InvalidFile, Overloaded
from everruns.registry.database import Database
from everruns.registry.file_rules import FileRefused
from everruns.tools.child_processes import (
    ChildFailed,
    ChildProcesses,
    ChildrenBusy,
    ChildTimedOut,
    Function,
)
from everruns.tools.search import file_frame, find_lines, find_paths

MAX_PATTERN_CHARACTERS = 1000
SEARCH_TIMEOUT_S = 5.0
# A search takes one CPU, and up to another in the registry to feed it; turns need the rest.
SEARCHES = 2 if (os.cpu_count() or 1) >= 8 else 1
# The interpreter is held while this much is fetched.
MAX_READ_BYTES = MIB

Match = tuple[str, int, str]
"""A matching line: the file's path, the line's number from 1, the line."""


class FileSearch:
    """Searches files for one registry, a few searches at a time.

    Args:
        database: Holds the files. Contents are read as the search proceeds.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._store = database.store
        self._children = ChildProcesses(SEARCHES)

    async def grep(self, workspace_id: str, pattern: str, path_pattern: str | None) -> list[Match]:
        """Return the matching lines of text files as (path, line number from 1, line).

        Args:
            workspace_id: Whose files.
            pattern: See ``find_lines``.
            path_pattern: Selects the files; see ``matches_path``.

        Raises:
            FileRefused: A pattern is too long or not a regular expression, the search takes too
                long, or too many searches are waiting.
        """
        regex = _encoded(pattern, "regex")
        listed = await self._database.files.read(self._store.files.list, workspace_id, "/")
        files = [file for file in listed if not file.is_directory]
        if path_pattern is not None:
            paths = orjson.dumps([file.path for file in files])
            meant = set(await self._run(find_paths, [_encoded(path_pattern, "path"), paths]))
            files = [file for file in files if file.path in meant]
        found = await self._run(find_lines, self._frames(workspace_id, regex, files))
        if "invalid" in found:
            raise FileRefused(f"Invalid regex pattern: {found['invalid']}", InvalidFile)
        return [(path, number, line) for path, number, line in found["lines"]]

    def _frames(self, workspace_id: str, regex: bytes, files: Sequence[File]) -> Iterator[bytes]:
        """Yield the pattern, then the files, keeping only a few in memory at a time."""
        yield regex
        batch: list[str] = []
        size_bytes = 0
        for file in files:
            if batch and size_bytes + file.size_bytes > MAX_READ_BYTES:
                yield from self._read(workspace_id, batch)
                batch, size_bytes = [], 0
            batch.append(file.path)
            size_bytes += file.size_bytes
        yield from self._read(workspace_id, batch)

    def _read(self, workspace_id: str, paths: Sequence[str]) -> Iterator[bytes]:
        began = time.thread_time()
        files = self._store.files.read(workspace_id, paths)
        # Turns get as much of the CPU again before more is read.
        time.sleep(time.thread_time() - began)
        for file in files:
            yield file_frame(file.path, file.content)

    async def _run(self, function: Function, frames: Iterable[bytes]) -> Any:
        try:
            return orjson.loads(await self._children.run(function, frames, SEARCH_TIMEOUT_S))
        except ChildTimedOut:
            raise FileRefused(
                "The search takes too long. Use a path_pattern or a simpler pattern.", InvalidFile
            ) from None
        except ChildFailed:
            raise FileRefused(
                "The search takes too much memory. Use a simpler pattern.", InvalidFile
            ) from None
        except ChildrenBusy:
            raise FileRefused(
                "Too many searches are running. Try again shortly.", Overloaded
            ) from None

    def close(self) -> None:
        """End the search processes."""
        self._children.close()


def _encoded(pattern: str, kind: str) -> bytes:
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise FileRefused(
            f"Invalid {kind} pattern: longer than {MAX_PATTERN_CHARACTERS} characters", InvalidFile
        )
    try:
        return pattern.encode()
    except UnicodeEncodeError:
        raise FileRefused(f"Invalid {kind} pattern: it is not valid Unicode", InvalidFile) from None
