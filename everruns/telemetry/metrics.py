"""Every metric there is.

The names of counters end with ``_total`` and other names with their unit. Ray puts ``ray_`` before
them. Values of labels come from closed sets alone: never an id, a user, an agent, or what a model,
a tool or a client has said.

Source: docs/observability.md, "Metrics"; a test compares the two.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
Process = Literal["session actor", "registry", "API replica"]

CALL_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Bounds of what a model, a tool or a whole turn takes."""

STEP_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Bounds of what the server's own steps take."""


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """A metric.

    Attributes:
        name: Its name, without Ray's prefix.
        kind: What is measured: a sum that only grows, a state, or how values are spread.
        process: Which processes measure it, each for itself; ``None`` if all do.
        meaning: What it says, as a sentence.
        labels: The names of its labels.
        bounds: The upper bounds of a histogram's buckets.
    """

    name: str
    kind: Kind
    process: Process | None
    meaning: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


# Turns

TURNS_STARTED = Metric(
    "everruns_turns_started_total", "counter", "session actor", "Turns that have begun."
)
TURNS = Metric(
    "everruns_turns_total",
    "counter",
    "session actor",
    "Turns that have ended: `completed`, `failed` with the error's code, or `cancelled`.",
    ("outcome", "code"),
)
TURN_DURATION = Metric(
    "everruns_turn_duration_seconds",
    "histogram",
    "session actor",
    "From a turn's beginning to its end, waits included.",
    ("outcome",),
    CALL_S,
)
TURNS_RUNNING = Metric(
    "everruns_turns_running",
    "gauge",
    "session actor",
    "Turns at work on this actor: a model is asked, a tool runs, or something is being stored.",
)
TURNS_OPEN = Metric(
    "everruns_turns_open",
    "gauge",
    "registry",
    "Turns that have not ended, wherever they are, including those that wait.",
)
TURNS_WAITING = Metric(
    "everruns_turns_waiting",
    "gauge",
    "registry",
    "Open turns that wait: for an `approval`, for an answer to a `question`, for a client's "
    "`tool_call`, or because a tool `sleeps`. A turn can wait for several.",
    ("kind",),
)
TURN_IDLE = Metric(
    "everruns_turn_idle_seconds",
    "gauge",
    "registry",
    "How long ago anything was stored of the open turn that is quiet for longest, of those that "
    "wait for nobody.",
)
TURNS_RESUMED = Metric(
    "everruns_turns_resumed_total",
    "counter",
    "registry",
    "Open turns that no session actor held and that were taken up again.",
)

# Models and money

MODEL_CALLS = Metric(
    "everruns_model_calls_total",
    "counter",
    "session actor",
    "Model calls that have ended: `success`, `interrupted`, or the error's code. The model of a "
    "call that failed before it answered is `unknown`.",
    ("model", "provider", "outcome"),
)
MODEL_CALL_DURATION = Metric(
    "everruns_model_call_duration_seconds",
    "histogram",
    "session actor",
    "From asking a model to the end of its answer, retries included.",
    ("model",),
    CALL_S,
)
MODEL_FIRST_TOKEN = Metric(
    "everruns_model_first_token_seconds",
    "histogram",
    "session actor",
    "From asking a model to the first text or reasoning of its answer, retries included.",
    ("model",),
    CALL_S,
)
MODEL_RETRIES = Metric(
    "everruns_model_retries_total",
    "counter",
    "session actor",
    "Requests to providers beyond the first one of a model call.",
    ("model", "provider"),
)
TOKENS = Metric(
    "everruns_tokens_total",
    "counter",
    "session actor",
    "Tokens that models have read and written: `input`, `output`, and of the input `cache_read` "
    "and `cache_creation`.",
    ("model", "type"),
)
COST = Metric(
    "everruns_cost_usd_total",
    "counter",
    "session actor",
    "What models have cost, as far as their prices are known, in US dollars.",
    ("model",),
)
COMPACTIONS = Metric(
    "everruns_compactions_total",
    "counter",
    "session actor",
    "Compactions of conversations: `success`, or the code of the error for which there is no "
    "summary.",
    ("outcome",),
)
BUDGET_USED = Metric(
    "everruns_budget_used_ratio",
    "gauge",
    "registry",
    "The largest part of an active budget that is used; 1 and more is exhausted. Only the newest "
    "1,000 budgets are looked at.",
)

# Tools

TOOL_CALLS = Metric(
    "everruns_tool_calls_total",
    "counter",
    "session actor",
    "Tool calls that got a result: `success`, `error`, or `unanswered` if somebody outside did not "
    "act in time. The tool is the name of a built-in one, `mcp`, or `other`, such as those of "
    "clients.",
    ("tool", "outcome"),
)
TOOL_DURATION = Metric(
    "everruns_tool_duration_seconds",
    "histogram",
    "session actor",
    "How long tool calls took; for a client-side tool, how long its client was waited for.",
    ("tool",),
    CALL_S,
)

# Sessions and placement

SESSIONS_STORED = Metric(
    "everruns_sessions_stored", "gauge", "registry", "Sessions in the database."
)
SESSIONS_LIVE = Metric(
    "everruns_sessions_live", "gauge", "session actor", "Sessions in this actor's memory."
)
LIVE_BYTES = Metric(
    "everruns_sessions_live_bytes",
    "gauge",
    "session actor",
    "The size of the events and states of these sessions.",
)
ACTIVATIONS = Metric(
    "everruns_activations_total",
    "counter",
    "session actor",
    "Sessions that were loaded into memory: `success`, or the error's code.",
    ("outcome",),
)
ACTIVATION_DURATION = Metric(
    "everruns_activation_seconds",
    "histogram",
    "session actor",
    "How long it took to read and fold the log of a session that was not handed over.",
    (),
    STEP_S,
)
HIBERNATIONS = Metric(
    "everruns_hibernations_total",
    "counter",
    "session actor",
    "Idle sessions that were unloaded from memory.",
)
SESSION_ACTORS = Metric(
    "everruns_session_actors",
    "gauge",
    "registry",
    "Session actors that are `up`, or `starting`.",
    ("state",),
)
HOSTS_LOST = Metric(
    "everruns_hosts_lost_total",
    "counter",
    "registry",
    "Session actors that were lost with their process or node.",
)
PLACEMENTS_REFUSED = Metric(
    "everruns_placements_refused_total",
    "counter",
    "registry",
    "Sessions that no session actor had room for.",
)
LOOP_LAG = Metric(
    "everruns_event_loop_lag_seconds",
    "gauge",
    None,
    "How late the event loop of a process was at a timer that fires every second.",
    ("process",),
)

# Store and streams

APPENDS = Metric(
    "everruns_appends_total",
    "counter",
    "registry",
    "Appends to logs: each is one step of one session. With PostgreSQL, session actors count them.",
)
APPEND_BATCHES = Metric(
    "everruns_append_batches_total",
    "counter",
    "registry",
    "Commits that stored these appends.",
)
APPEND_WAIT = Metric(
    "everruns_append_wait_seconds",
    "histogram",
    "session actor",
    "How long a batch of appends took until it was durable.",
    (),
    STEP_S,
)
JOURNAL_BYTES = Metric(
    "everruns_journal_bytes",
    "gauge",
    "registry",
    "Bytes in the journal that the database does not have yet.",
)
JOURNAL_LAG = Metric(
    "everruns_journal_lag_seconds",
    "gauge",
    "registry",
    "How long the oldest of them have waited.",
)
STREAMS_OPEN = Metric(
    "everruns_streams_open", "gauge", "API replica", "Event streams that are being read."
)
STREAM_RECONNECTS = Metric(
    "everruns_stream_reconnects_total",
    "counter",
    "API replica",
    "Event streams that were opened to continue after an event.",
)
HTTP_REQUESTS = Metric(
    "everruns_http_requests_total",
    "counter",
    "API replica",
    "Answers by the route's template, the method and the class of the status, such as `2xx`.",
    ("route", "method", "status"),
)
HTTP_ERRORS = Metric(
    "everruns_http_errors_total",
    "counter",
    "API replica",
    "Answers that were errors, by code. `TOO_MANY_REQUESTS`, `STORE_OVERLOADED` and "
    "`CAPACITY_EXHAUSTED` say that a queue or every session actor was full.",
    ("code",),
)
SPANS_DROPPED = Metric(
    "everruns_spans_dropped_total",
    "counter",
    "session actor",
    "Spans of traces that were not delivered.",
)

METRICS: tuple[Metric, ...] = (
    TURNS_STARTED,
    TURNS,
    TURN_DURATION,
    TURNS_RUNNING,
    TURNS_OPEN,
    TURNS_WAITING,
    TURN_IDLE,
    TURNS_RESUMED,
    MODEL_CALLS,
    MODEL_CALL_DURATION,
    MODEL_FIRST_TOKEN,
    MODEL_RETRIES,
    TOKENS,
    COST,
    COMPACTIONS,
    BUDGET_USED,
    TOOL_CALLS,
    TOOL_DURATION,
    SESSIONS_STORED,
    SESSIONS_LIVE,
    LIVE_BYTES,
    ACTIVATIONS,
    ACTIVATION_DURATION,
    HIBERNATIONS,
    SESSION_ACTORS,
    HOSTS_LOST,
    PLACEMENTS_REFUSED,
    LOOP_LAG,
    APPENDS,
    APPEND_BATCHES,
    APPEND_WAIT,
    JOURNAL_BYTES,
    JOURNAL_LAG,
    STREAMS_OPEN,
    STREAM_RECONNECTS,
    HTTP_REQUESTS,
    HTTP_ERRORS,
    SPANS_DROPPED,
)
