"""The log line of a turn's end, which alone says what has happened in the turn."""

from collections.abc import Sequence
from typing import Any

import structlog

from everruns.domain.sessions import Session
from everruns.telemetry.call_records import ModelCallRecord
from everruns.telemetry.turn_ids import turn_ids
from everruns.telemetry.turn_records import TurnRecord

# Microdollars: floats that are summed have many digits more.
COST_DIGITS = 6
MAX_MODELS = 10

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def log_turn(session: Session, record: TurnRecord) -> None:
    """Log how a turn has ended; a ``Report``."""
    ids = turn_ids(session, record.turn_id, record.traceparent)
    log.info("turn ended", **ids, **summary(record))


def summary(record: TurnRecord) -> dict[str, Any]:
    """Return what the line says: numbers, codes and names of models.

    Times are in milliseconds, cost is in dollars. What is not known is left out.
    """
    usage = record.usage
    cost = usage.estimated_cost_usd
    calls = record.model_calls
    known: dict[str, Any] = {
        "outcome": record.outcome,
        "code": record.error_code,
        "duration_ms": record.duration_ms,
        "waited_ms": record.waited_ms,
        "first_token_ms": _first_token_ms(record),
        "iterations": record.iterations,
        "model_calls": len(calls),
        "model_call_retries": sum((call.attempts or 1) - 1 for call in calls),
        "models": _models(calls),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_creation_tokens": usage.cache_creation_tokens,
        "cost_usd": None if cost is None else round(cost, COST_DIGITS),
        "tool_calls": len(record.tool_calls),
        "failed_tool_calls": sum(call.success is False for call in record.tool_calls.values()),
        "waits": len(record.waits),
    }
    return {name: value for name, value in known.items() if value is not None}


def _first_token_ms(record: TurnRecord) -> int | None:
    """Return how long after the turn's beginning a model's first token came."""
    times = [call.first_token_ms for call in record.model_calls if not call.writes_summary]
    first = min((time for time in times if time is not None), default=None)
    return None if first is None else first - record.started_ms


def _models(calls: Sequence[ModelCallRecord]) -> list[str]:
    """Return the qualified names of the models that were called, in the order of first calls."""
    names = dict.fromkeys(call.model for call in calls if call.model is not None)
    return list(names)[:MAX_MODELS]
