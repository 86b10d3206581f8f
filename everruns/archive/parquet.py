"""Writing and reading the files of an archive, by a DuckDB of its own that has nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb
import orjson

from everruns.archive.columns import EVENT_COLUMNS, SESSION_COLUMNS

MAX_ROW_BYTES = 4 * 1024 * 1024
ROW_GROUP = 50_000

_OPTIONS = f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
_CONFIG = {
    "threads": 1,
    "memory_limit": "384MB",
    "max_temp_directory_size": "4GB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


class Parquet:
    """Makes files of rows and of other files, one call at a time.

    Every method may raise ``duckdb.Error``; the file it was to write is then of no use.

    Args:
        spool: A folder for rows on their way into a file.
    """

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._connection = duckdb.connect(config={**_CONFIG, "temp_directory": str(spool)})
        self._lock = Lock()

    def write_events(self, lines: Iterable[bytes], target: Path) -> None:
        """Write rows of events, each as JSON with an end of line."""
        with self._lock:
            rows = self._write_lines("events", lines)
            self._copy(_read(rows, EVENT_COLUMNS), target)

    def merge_events(self, sources: Sequence[Path], target: Path) -> None:
        """Write the events of several files, sorted by session and sequence."""
        with self._lock:
            self._copy(f"FROM {_files(sources)} ORDER BY session_id, sequence", target)

    def find_events(self, sources: Sequence[Path], session_ids: Iterable[str]) -> dict[Path, int]:
        """Return the files that have events of sessions, and how many others they have."""
        if not sources:
            return {}
        with self._lock:
            self._keep_ids(session_ids)
            found = self._connection.execute(
                f"SELECT filename, count(*) - count(ids.id) FROM {_files(sources, 'filename')} "
                "LEFT JOIN ids ON ids.id = session_id GROUP BY filename HAVING count(ids.id) > 0"
            ).fetchall()
        return {Path(name): others for name, others in found}

    def write_events_without(self, source: Path, session_ids: Iterable[str], target: Path) -> None:
        """Write the events of a file but those of sessions."""
        with self._lock:
            self._keep_ids(session_ids)
            self._copy(f"FROM {_files([source])} WHERE session_id NOT IN (FROM ids)", target)

    def write_sessions(
        self,
        earlier: Path | None,
        rows: Iterable[Mapping[str, Any]],
        gone: Iterable[str],
        agent_names: Mapping[str, str],
        target: Path,
    ) -> None:
        """Write the sessions of an earlier file with changes.

        Args:
            earlier: The file.
            rows: Sessions that are new or have changed.
            gone: The ids of those that are there no more.
            agent_names: The names of agents by their ids.
            target: The file to write.
        """
        given = {row["id"]: orjson.dumps(row) + b"\n" for row in rows}
        names = [
            orjson.dumps({"id": identity, "name": name}) + b"\n"
            for identity, name in agent_names.items()
        ]
        with self._lock:
            changed = _read(self._write_lines("sessions", given.values()), SESSION_COLUMNS)
            named = _read(self._write_lines("agents", names), {"id": "VARCHAR", "name": "VARCHAR"})
            every = f"({changed})"
            if earlier is not None:
                self._keep_ids([*given, *gone])
                kept = f"FROM {_files([earlier])} WHERE id NOT IN (FROM ids)"
                every = f"({kept} UNION ALL {changed})"
            self._copy(
                "SELECT s.* REPLACE (coalesce(a.name, s.agent_name) AS agent_name) "
                f"FROM {every} s LEFT JOIN ({named}) a ON a.id = s.agent_id ORDER BY s.id",
                target,
            )

    def read_sessions(self, source: Path) -> list[tuple[str, int, int, int]]:
        """Return id, number of events, creation and last update of each session, times in ms."""
        with self._lock:
            return self._connection.execute(
                "SELECT id, events, epoch_ms(created_at), epoch_ms(updated_at) "
                f"FROM {_files([source])}"
            ).fetchall()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    def _keep_ids(self, session_ids: Iterable[str]) -> None:
        lines = [orjson.dumps({"id": identity}) + b"\n" for identity in session_ids]
        ids = _read(self._write_lines("ids", lines), {"id": "VARCHAR"})
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE ids AS {ids}")

    def _write_lines(self, name: str, lines: Iterable[bytes]) -> Path:
        path = self._spool / f"{name}.jsonl"
        with path.open("wb") as file:
            file.writelines(lines)
        return path

    def _copy(self, query: str, target: Path) -> None:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._connection.execute(f"COPY ({query}) TO {quoted(str(target))} {_OPTIONS}")
        finally:
            # They hold what users have said.
            for path in self._spool.glob("*.jsonl"):
                path.unlink()


def quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _read(lines: Path, columns: Mapping[str, str]) -> str:
    """Return the query for rows of a file of JSON, in which times are milliseconds."""
    given = ", ".join(
        f"{name}: '{'BIGINT' if kind == 'TIMESTAMP' else kind}'" for name, kind in columns.items()
    )
    shown = ", ".join(
        f"epoch_ms({name}) AS {name}" if kind == "TIMESTAMP" else name
        for name, kind in columns.items()
    )
    return (
        f"SELECT {shown} FROM read_json({quoted(str(lines))}, format = 'newline_delimited', "
        f"columns = {{{given}}}, maximum_object_size = {MAX_ROW_BYTES})"
    )


def _files(paths: Sequence[Path], *options: str) -> str:
    listed = ", ".join(quoted(str(path)) for path in paths)
    given = "".join(f", {option} = true" for option in options)
    return f"read_parquet([{listed}], hive_partitioning = false{given})"
