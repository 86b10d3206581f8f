"""Usage: tokens, money, turns and tool calls in a stretch of time, from the archive.

Source: docs/contract.md, "Usage".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from everruns.archive.views import OUTCOMES
from everruns.domain.queries import AnswerForm, Query
from everruns.domain.rights import Grant

Dimension = Literal["day", "hour", "agent", "session", "model", "provider", "end_user"]

COLUMNS: Mapping[Dimension, str] = {
    "day": "day",
    "hour": "hour",
    "agent": "agent_id",
    "session": "session_id",
    "model": "model",
    "provider": "provider",
    "end_user": "end_user",
}
"""By what usage can be divided, and the column of the answer that says it."""

OF_CALLS = frozenset({"model", "provider"})
"""What divides model calls, but not turns and tool calls."""

_HOUR = "date_trunc('hour', ts)"
_ENDS = ", ".join(f"'{type_}'" for type_ in OUTCOMES)

_SUMS_OF_CALLS = {
    "model_calls": "count(input_tokens)",
    "input_tokens": "coalesce(sum(input_tokens), 0)::BIGINT",
    "output_tokens": "coalesce(sum(output_tokens), 0)::BIGINT",
    "cache_read_tokens": "coalesce(sum(cache_read_tokens), 0)::BIGINT",
    "cache_creation_tokens": "coalesce(sum(cache_creation_tokens), 0)::BIGINT",
    # What nothing was spent on costs nothing; what has no known price is not free.
    "cost_usd": "CASE WHEN count(input_tokens) > 0 THEN fsum(cost_usd) ELSE 0 END",
    "unpriced_calls": "count(input_tokens) - count(cost_usd)",
}
_SUMS_OF_TURNS = {
    "turns": f"count(*) FILTER (type IN ({_ENDS}))",
    "failed_turns": "count(*) FILTER (type = 'session.failed')",
    "cancelled_turns": "count(*) FILTER (type = 'session.cancelled')",
    "turn_ms": "quantile_cont(duration_ms, [0.5, 0.95]) FILTER (type = 'session.completed')",
    "tool_calls": "count(*) FILTER (type = 'tool.result')",
    "failed_tool_calls": "count(*) FILTER (type = 'tool.result' AND NOT success)",
}

_PARTS = {"turn_ms": ("turn_ms[1] AS turn_p50_ms", "turn_ms[2] AS turn_p95_ms")}
"""Sums that are shown in parts: together they take half the memory."""

NAMES = {
    "agent_id": (
        "agent_name",
        "SELECT agent_id, any_value(agent_name) AS agent_name FROM sessions GROUP BY agent_id",
    ),
    "session_id": ("title", "SELECT session_id, title FROM sessions"),
}
"""What is shown next to an id, and where it is found."""


@dataclass(frozen=True)
class UsageQuery:
    """Which usage, and by what it is divided.

    Attributes:
        from_ms: Only at or after this time, in milliseconds since the epoch.
        until_ms: Only before this time.
        group_by: The dimensions, each once; none for one sum.
        only: What columns of events must have, by name: ``agent_id``, ``session_id``,
            ``end_user``, ``model`` or ``provider``.
        grant: The scope of the sender; ``None`` without limits.
        limit: How many rows the answer may have.
    """

    from_ms: int
    until_ms: int
    group_by: Sequence[Dimension]
    only: Mapping[str, str]
    grant: Grant | None
    limit: int

    def query(self, form: AnswerForm) -> Query:
        """Return the query of the archive.

        In JSON the first row is the sum of all, whose ``is_total`` is true. The other forms have
        neither this row nor this column.
        """
        has_total = form == "json"
        columns = [COLUMNS[one] for one in self.group_by]
        sums = self._sums()
        where = [*self._conditions()]
        source = f"""
            FROM (SELECT *, {_HOUR} AS hour FROM events)
            WHERE {" AND ".join(condition for condition, _ in where)}
        """
        grouped = f"SELECT {_listed([*columns, 'false AS is_total', *sums])} {source} GROUP BY ALL"
        # By themselves: as grouping sets, the two take ten times the memory.
        total = f"SELECT {_listed(['true AS is_total', *sums])} {source}"
        sql = f"""
            WITH sums AS ({f"{total} UNION ALL BY NAME {grouped}" if has_total else grouped})
            SELECT {_listed(_shown(columns, sums, has_total=has_total))}
            FROM sums {" ".join(_joins(columns))}
            ORDER BY {_listed(_order(columns, has_total=has_total))}
        """
        parameters = [value for _, values in where for value in values]
        times = 2 if has_total else 1
        return Query(sql, parameters * times, form, self.limit + times - 1, "usage")

    def _conditions(self) -> Iterator[tuple[str, Sequence[Any]]]:
        """Yield conditions, each with the values of its parameters."""
        yield "NOT is_copied", ()
        between = [self.from_ms, self.until_ms]
        # The day tells the database which files to read.
        yield "day BETWEEN make_timestamp_ms(?)::DATE AND make_timestamp_ms(?)::DATE", between
        yield "ts >= make_timestamp_ms(?) AND ts < make_timestamp_ms(?)", between
        if self._is_of_calls:
            yield "input_tokens IS NOT NULL", ()
        else:
            yield f"(input_tokens IS NOT NULL OR type IN ('tool.result', {_ENDS}))", ()
        for column, value in self.only.items():
            yield f"{column} = ?", [value]
        yield from _within(self.grant)

    @property
    def _is_of_calls(self) -> bool:
        return bool(OF_CALLS & {*self.group_by, *self.only})

    def _sums(self) -> list[str]:
        of_turns: Mapping[str, str] = _SUMS_OF_TURNS
        if self._is_of_calls:
            of_turns = {**dict.fromkeys(_SUMS_OF_TURNS, "NULL"), "turn_ms": "NULL::DOUBLE[]"}
        return [f"{sql} AS {name}" for name, sql in {**_SUMS_OF_CALLS, **of_turns}.items()]


def _within(grant: Grant | None) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield the conditions of a sender's scope; see ``Grant.covers``."""
    if grant is None:
        return
    if grant.session_id is not None:
        yield "session_id = ?", [grant.session_id]
        return
    yield "list_contains(?::VARCHAR[], agent_id)", [grant.agent_ids]
    if grant.end_user is not None:
        yield "end_user = ?", [grant.end_user]


def _shown(columns: Sequence[str], sums: Sequence[str], *, has_total: bool) -> Iterator[str]:
    if has_total:
        yield "is_total"
    for column in columns:
        yield column
        if column in NAMES:
            yield NAMES[column][0]
    for one in sums:
        name = one.rpartition(" ")[2]
        yield from _PARTS.get(name, (name,))


def _joins(columns: Sequence[str]) -> Iterator[str]:
    for column in columns:
        if column in NAMES:
            yield f"LEFT JOIN ({NAMES[column][1]}) USING ({column})"


def _order(columns: Sequence[str], *, has_total: bool) -> Iterator[str]:
    if has_total:
        yield "is_total DESC"
    yield from (column for column in columns if column in ("day", "hour"))
    yield from ("cost_usd DESC NULLS LAST", "input_tokens + output_tokens DESC")
    yield from columns


def _listed(parts: Sequence[str] | Iterator[str]) -> str:
    return ", ".join(parts)
