"""The panels of the dashboard, row by row."""

from dataclasses import dataclass

from everruns.telemetry.metrics import (
    ACTIVATION_DURATION,
    ACTIVATIONS,
    APPEND_BATCHES,
    APPEND_WAIT,
    APPENDS,
    BUDGET_USED,
    COMPACTIONS,
    COST,
    HIBERNATIONS,
    HOSTS_LOST,
    HTTP_ERRORS,
    HTTP_REQUESTS,
    JOURNAL_BYTES,
    JOURNAL_LAG,
    LIVE_BYTES,
    LOOP_LAG,
    MODEL_CALL_DURATION,
    MODEL_CALLS,
    MODEL_FIRST_TOKEN,
    MODEL_RETRIES,
    PLACEMENTS_REFUSED,
    SESSION_ACTORS,
    SESSIONS_LIVE,
    SESSIONS_STORED,
    SPANS_DROPPED,
    STREAM_RECONNECTS,
    STREAMS_OPEN,
    TOKENS,
    TOOL_CALLS,
    TOOL_DURATION,
    TURN_DURATION,
    TURN_IDLE,
    TURNS,
    TURNS_OPEN,
    TURNS_RESUMED,
    TURNS_RUNNING,
    TURNS_STARTED,
    TURNS_WAITING,
)
from everruns.telemetry.monitoring.expressions import highest, quantile, rate, total


@dataclass(frozen=True)
class Query:
    """A query of a panel.

    Attributes:
        expression: In PromQL.
        legend: What its lines are called; ``{{label}}`` stands for a label's value.
    """

    expression: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """A panel: lines over time.

    Attributes:
        title: What it shows.
        unit: The unit of its values, by Grafana's name for it.
        queries: Its lines.
    """

    title: str
    unit: str
    queries: tuple[Query, ...]


@dataclass(frozen=True)
class Row:
    """A row of panels."""

    title: str
    panels: tuple[Panel, ...]


TURN_ROW = Row(
    "Turns",
    (
        Panel(
            "Turns a second",
            "ops",
            (
                Query(rate(TURNS_STARTED), "started"),
                Query(rate(TURNS, "outcome"), "{{outcome}}"),
            ),
        ),
        Panel(
            "Failed turns a second, by code",
            "ops",
            (Query(rate(TURNS, "code", 'outcome="failed"'), "{{code}}"),),
        ),
        Panel(
            "How long turns take",
            "s",
            (
                Query(quantile(0.5, TURN_DURATION), "half of them"),
                Query(quantile(0.95, TURN_DURATION), "95 %"),
            ),
        ),
        Panel(
            "Turns now",
            "short",
            (
                Query(highest(TURNS_OPEN), "open"),
                Query(total(TURNS_RUNNING), "at work"),
                Query(highest(TURNS_WAITING, "kind"), "waiting: {{kind}}"),
            ),
        ),
        Panel("Quietest turn at work", "s", (Query(highest(TURN_IDLE), "quiet for"),)),
        Panel("Turns taken up again", "ops", (Query(rate(TURNS_RESUMED), "resumed"),)),
    ),
)

MODEL_ROW = Row(
    "Models and money",
    (
        Panel(
            "Model calls a second",
            "ops",
            (Query(rate(MODEL_CALLS, "model"), "{{model}}"),),
        ),
        Panel(
            "Model calls without an answer, a second",
            "ops",
            (
                Query(
                    rate(MODEL_CALLS, "provider, outcome", 'outcome!="success"'),
                    "{{provider}}: {{outcome}}",
                ),
                Query(rate(MODEL_RETRIES, "provider"), "{{provider}}: retries"),
            ),
        ),
        Panel(
            "Time to the first text, 95 %",
            "s",
            (Query(quantile(0.95, MODEL_FIRST_TOKEN, "model"), "{{model}}"),),
        ),
        Panel(
            "Time to the whole answer, 95 %",
            "s",
            (Query(quantile(0.95, MODEL_CALL_DURATION, "model"), "{{model}}"),),
        ),
        Panel("Tokens a second", "short", (Query(rate(TOKENS, "type"), "{{type}}"),)),
        Panel(
            "Dollars an hour",
            "currencyUSD",
            (Query(f"3600 * {rate(COST, 'model')}", "{{model}}"),),
        ),
        Panel("Most used budget", "percentunit", (Query(highest(BUDGET_USED), "used"),)),
        Panel(
            "Compactions a second",
            "ops",
            (Query(rate(COMPACTIONS, "outcome"), "{{outcome}}"),),
        ),
    ),
)

TOOL_ROW = Row(
    "Tools",
    (
        Panel("Tool calls a second", "ops", (Query(rate(TOOL_CALLS, "tool"), "{{tool}}"),)),
        Panel(
            "Tool calls without a result, a second",
            "ops",
            (
                Query(
                    rate(TOOL_CALLS, "tool, outcome", 'outcome!="success"'), "{{tool}}: {{outcome}}"
                ),
            ),
        ),
        Panel(
            "How long tools take, 95 %",
            "s",
            (Query(quantile(0.95, TOOL_DURATION, "tool"), "{{tool}}"),),
        ),
    ),
)

SESSION_ROW = Row(
    "Sessions and placement",
    (
        Panel("Sessions stored", "short", (Query(highest(SESSIONS_STORED), "stored"),)),
        Panel("Sessions in memory", "short", (Query(total(SESSIONS_LIVE), "live"),)),
        Panel("Memory of sessions", "bytes", (Query(total(LIVE_BYTES), "of all actors"),)),
        Panel("Session actors", "short", (Query(highest(SESSION_ACTORS, "state"), "{{state}}"),)),
        Panel(
            "Sessions loaded and unloaded, a second",
            "ops",
            (
                Query(rate(ACTIVATIONS, "outcome"), "loaded: {{outcome}}"),
                Query(rate(HIBERNATIONS), "unloaded"),
            ),
        ),
        Panel(
            "How long loading takes, 95 %",
            "s",
            (Query(quantile(0.95, ACTIVATION_DURATION), "loading"),),
        ),
        Panel(
            "What went wrong, a second",
            "ops",
            (
                Query(rate(HOSTS_LOST), "session actors lost"),
                Query(rate(PLACEMENTS_REFUSED), "sessions without room"),
            ),
        ),
        Panel("Lag of event loops", "s", (Query(highest(LOOP_LAG, "process"), "{{process}}"),)),
    ),
)

STORE_ROW = Row(
    "Store and streams",
    (
        Panel(
            "Appends a second",
            "ops",
            (Query(rate(APPENDS), "appends"), Query(rate(APPEND_BATCHES), "commits")),
        ),
        Panel(
            "How long an append takes",
            "s",
            (
                Query(quantile(0.5, APPEND_WAIT), "half of them"),
                Query(quantile(0.99, APPEND_WAIT), "99 %"),
            ),
        ),
        Panel("Journal ahead of the database", "bytes", (Query(highest(JOURNAL_BYTES), "bytes"),)),
        Panel("Age of the journal", "s", (Query(highest(JOURNAL_LAG), "oldest entry"),)),
        Panel("Streams", "short", (Query(total(STREAMS_OPEN), "open"),)),
        Panel(
            "Streams that continue, a second", "ops", (Query(rate(STREAM_RECONNECTS), "continued"),)
        ),
        Panel("Requests a second", "ops", (Query(rate(HTTP_REQUESTS, "status"), "{{status}}"),)),
        Panel("Errors a second, by code", "ops", (Query(rate(HTTP_ERRORS, "code"), "{{code}}"),)),
        Panel("Spans dropped, a second", "ops", (Query(rate(SPANS_DROPPED), "dropped"),)),
    ),
)

ROWS: tuple[Row, ...] = (TURN_ROW, MODEL_ROW, TOOL_ROW, SESSION_ROW, STORE_ROW)
