"""Lines of logs for people, and which of them are wanted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from rich.text import Text

from everruns.commands.log_files import LogLine
from everruns.commands.output import harmless

LEVELS = ("debug", "info", "warning", "error", "critical")
_STYLES: Mapping[str, str] = {
    "debug": "dim",
    "info": "green",
    "warning": "yellow",
    "error": "bold red",
    "critical": "bold red",
}
# What is shown in columns of its own, or says the same on each line of a machine.
_OWN_PLACE = frozenset({"event", "timestamp", "level", "actor", "exception", "text", "node"})
_EVENT_WIDTH = 28
_ACTOR_WIDTH = 16


@dataclass(frozen=True)
class Wanted:
    """Which lines are wanted; all conditions must hold.

    Attributes:
        session_id: Lines of this session.
        turn_id: Lines of this turn.
        level: The lowest level.
        since: The earliest time, RFC 3339 in UTC.
        actor: The actor, or the role of actors, such as ``session``.
    """

    session_id: str | None = None
    turn_id: str | None = None
    level: str | None = None
    since: str = ""
    actor: str | None = None

    def has(self, line: LogLine) -> bool:
        """Tell whether a line is wanted."""
        fields = line.fields
        return (
            line.time >= self.since
            and (self.session_id is None or fields.get("session_id") == self.session_id)
            and (self.turn_id is None or fields.get("turn_id") == self.turn_id)
            and (self.level is None or _rank(fields.get("level")) >= _rank(self.level))
            and (self.actor is None or _is_of(str(fields.get("actor", "")), self.actor))
        )


def _rank(level: Any) -> int:
    return LEVELS.index(level) if level in LEVELS else -1


def _is_of(actor: str, wanted: str) -> bool:
    return actor == wanted or actor.startswith(f"{wanted}-")


def log_time(time_ms: int) -> str:
    """Return a time in milliseconds since the epoch as log lines have it: RFC 3339 in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def json_line(line: LogLine) -> str:
    """Return a line as JSON; one that is not JSON in the file becomes a field of an object."""
    if line.fields.get("event") == "unstructured":
        return orjson.dumps({"timestamp": line.time, **line.fields}).decode()
    return line.raw.decode(errors="replace")


def readable(line: LogLine) -> Text:
    """Return a line for a terminal: time, level, actor, event and the other fields."""
    fields = line.fields
    if fields["event"] == "unstructured":
        return Text(harmless(str(fields.get("text", ""))), style="dim")
    level = harmless(fields["level"])
    shown = Text.assemble(
        (_clock(line.time), "dim"),
        " ",
        (f"{level:<8}", _STYLES.get(level, "")),
        (f"{harmless(str(fields.get('actor', ''))):<{_ACTOR_WIDTH}} ", "cyan"),
        (f"{harmless(fields['event']):<{_EVENT_WIDTH}}", "bold"),
    )
    for name, value in fields.items():
        if name not in _OWN_PLACE:
            shown.append(f" {harmless(name)}=", "dim")
            shown.append(
                harmless(value if isinstance(value, str) else orjson.dumps(value).decode())
            )
    if isinstance(exception := fields.get("exception"), str):
        for source in exception.splitlines():
            shown.append(f"\n    {harmless(source)}", "red")
    return shown


def _clock(time: str) -> str:
    """Return the time of day with milliseconds, in UTC like everything in the log."""
    return harmless(time[11:23])
