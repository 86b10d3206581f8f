"""The views of the archive that queries see: what each row is, and the SQL that makes it.

Only ``events`` and ``sessions`` read files. The others are made of ``events``, and count what a
fork has from its source once: where it happened.

Source: docs/observability.md, "SQL".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from everruns.archive.columns import EVENT_COLUMNS, SESSION_COLUMNS

OUTCOMES = ("session.completed", "session.failed", "session.cancelled")
"""The types of the events with which turns end."""


@dataclass(frozen=True)
class View:
    """A view.

    Attributes:
        meaning: What a row is.
        sql: The query that makes it.
    """

    meaning: str
    sql: str


_OF_SESSION = "session_id, agent_id, end_user"

VIEWS: Mapping[str, View] = {
    "messages": View(
        "a message that a user or a model wrote",
        f"""
        SELECT {_OF_SESSION}, sequence, turn_id, message_id, ts AS created_at, day, role, text,
               is_shortened, model, is_copied
        FROM events
        WHERE type = 'message.created'
        """,
    ),
    "turns": View(
        "a turn that has ended",
        # The end of a completed turn says how long it took. The others are few, so that looking
        # up their beginnings costs little.
        f"""
        SELECT {_OF_SESSION}, sequence, turn_id, ts - to_milliseconds(duration_ms) AS started_at,
               ts AS ended_at, day, 'completed' AS outcome, duration_ms, iterations,
               NULL::VARCHAR AS error_code, NULL::VARCHAR AS error
        FROM events
        WHERE type = 'session.completed' AND NOT is_copied
        UNION ALL
        SELECT {_OF_SESSION}, sequence, turn_id, begun_at, ts, day, type[9:],
               epoch_ms(ts) - epoch_ms(begun_at), NULL, error_code, error
        FROM events
        JOIN (
            SELECT turn_id, ts AS begun_at FROM events
            WHERE type = 'session.started' AND NOT is_copied
        ) USING (turn_id)
        WHERE type IN ('session.failed', 'session.cancelled') AND NOT is_copied
        """,
    ),
    "model_calls": View(
        "a call of a model: for an answer, for the summary of a compaction, or interrupted",
        f"""
        SELECT {_OF_SESSION}, sequence, turn_id, ts AS ended_at, day,
               CASE type WHEN 'message.created' THEN 'answer'
                         WHEN 'context.compacted' THEN 'summary'
                         ELSE 'interrupted' END AS kind,
               model, provider, finish_reason, input_tokens, output_tokens, cache_read_tokens,
               cache_creation_tokens, cost_usd, ended_ms - started_ms AS duration_ms,
               first_token_ms - started_ms AS first_token_ms, attempts
        FROM events
        WHERE input_tokens IS NOT NULL AND NOT is_copied
        """,
    ),
    "tool_calls": View(
        "a tool call that has its result",
        f"""
        SELECT {_OF_SESSION}, sequence, turn_id, tool_call_id, ts AS ended_at, day, tool_name,
               success, error, duration_ms
        FROM events
        WHERE type = 'tool.result' AND NOT is_copied
        """,
    ),
    "usage_daily": View(
        "what an agent's sessions used of a model on a day",
        """
        SELECT day, agent_id, model, count(*) AS model_calls,
               sum(input_tokens)::BIGINT AS input_tokens,
               sum(output_tokens)::BIGINT AS output_tokens,
               sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
               sum(cache_creation_tokens)::BIGINT AS cache_creation_tokens,
               sum(cost_usd) AS cost_usd,
               count(*) FILTER (cost_usd IS NULL) AS unpriced_calls
        FROM model_calls
        GROUP BY ALL
        """,
    ),
}
"""The views that are made of ``events``, in the order in which they are created."""

NAMES = frozenset({"events", "sessions", *VIEWS})
"""Everything that a query can name."""


def view_statements(events: Sequence[str], sessions: Sequence[str]) -> Iterator[str]:
    """Yield the statements that create all views over an archive's current files.

    Args:
        events: The files of events, in folders that say their day (``day=2026-01-31``).
        sessions: The files of sessions.
    """
    columns = ", ".join([*EVENT_COLUMNS, "day"])
    types = "hive_partitioning = true, hive_types = {'day': DATE}"
    source = _files(events, types) if events else _nothing({**EVENT_COLUMNS, "day": "DATE"})
    yield f"CREATE OR REPLACE VIEW events AS SELECT {columns} FROM {source}"
    columns = ", ".join(["id AS session_id", *list(SESSION_COLUMNS)[1:]])
    source = (
        _files(sessions, "hive_partitioning = false") if sessions else _nothing(SESSION_COLUMNS)
    )
    yield f"CREATE OR REPLACE VIEW sessions AS SELECT {columns} FROM {source}"
    for name, view in VIEWS.items():
        yield f"CREATE OR REPLACE VIEW {name} AS {view.sql}"


def _files(paths: Sequence[str], options: str) -> str:
    listed = ", ".join(_text(path) for path in paths)
    return f"read_parquet([{listed}], {options})"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _nothing(columns: Mapping[str, str]) -> str:
    nulls = ", ".join(f"NULL::{kind} AS {name}" for name, kind in columns.items())
    return f"(SELECT {nulls} WHERE false)"
