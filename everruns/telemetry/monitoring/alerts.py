"""The alerts: what an operator is to be told, and when."""

from dataclasses import dataclass
from typing import Literal

from everruns.telemetry.metrics import (
    BUDGET_USED,
    HOSTS_LOST,
    HTTP_ERRORS,
    JOURNAL_LAG,
    LOOP_LAG,
    MODEL_CALLS,
    PLACEMENTS_REFUSED,
    SPANS_DROPPED,
    TURN_IDLE,
    TURNS,
)
from everruns.telemetry.monitoring.expressions import highest, increase, name_of, rate

FULL = 'code=~"TOO_MANY_REQUESTS|STORE_OVERLOADED|CAPACITY_EXHAUSTED"'
PROVIDER_ERRORS = 'outcome=~"PROVIDER_.*"'
FAILED = 'outcome="failed"'
REGISTRY = 'process="registry"'


@dataclass(frozen=True)
class Alert:
    """An alert.

    Attributes:
        name: Its name.
        expression: What is looked at, in PromQL.
        beyond: With what it is compared, such as ``> 5``.
        lasting: How long that has to hold.
        severity: ``critical`` if people wait or data is in danger.
        summary: What has happened, as a sentence.
        action: What to look at or do.
    """

    name: str
    expression: str
    beyond: str
    lasting: str
    severity: Literal["critical", "warning"]
    summary: str
    action: str


ALERTS: tuple[Alert, ...] = (
    Alert(
        "EverrunsNotScraped",
        'min (up{job="ray"})',
        "< 1",
        "2m",
        "critical",
        "Prometheus does not reach the metrics of a node.",
        "See whether the node runs, and whether Prometheus may connect to its metrics port.",
    ),
    Alert(
        "EverrunsRegistryMissing",
        f"(count ({name_of(LOOP_LAG)}{{{REGISTRY}}}) or vector(0))",
        "< 1",
        "2m",
        "critical",
        "There are no metrics of the registry, without which nothing is stored.",
        "See GET /ready and the registry's log.",
    ),
    Alert(
        "EverrunsTurnStuck",
        highest(TURN_IDLE),
        "> 3600",
        "5m",
        "warning",
        "A turn that waits for nobody has stored nothing for an hour.",
        "GET /v1/sessions?status=active&sort=updated&order=asc shows it; cancel it or find out "
        "what its model or tool does.",
    ),
    Alert(
        "EverrunsTurnsFail",
        f"{rate(TURNS, where=FAILED, over='10m')} / {rate(TURNS, over='10m')}",
        "> 0.2",
        "5m",
        "critical",
        "More than a fifth of the turns fail.",
        "The dashboard shows their codes; the log line of each failed turn has its reason.",
    ),
    Alert(
        "EverrunsProviderErrors",
        f"{rate(MODEL_CALLS, where=PROVIDER_ERRORS, over='10m')} / {rate(MODEL_CALLS, over='10m')}",
        "> 0.1",
        "5m",
        "critical",
        "More than a tenth of the model calls fail at their provider, retries included.",
        "POST /v1/llm-providers/{id}/test says what a provider answers.",
    ),
    Alert(
        "EverrunsBudgetNearlySpent",
        highest(BUDGET_USED),
        "> 0.9",
        "1m",
        "warning",
        "More than nine tenths of an active budget are used.",
        "GET /v1/budgets shows which; top it up or raise its limit.",
    ),
    Alert(
        "EverrunsHostLost",
        increase(HOSTS_LOST, "15m"),
        "> 0",
        "0m",
        "warning",
        "A session actor was lost; its sessions go on elsewhere.",
        "Ray's list of dead actors says why it ended. Memory is the usual reason.",
    ),
    Alert(
        "EverrunsHostsLost",
        increase(HOSTS_LOST, "15m"),
        "> 5",
        "0m",
        "critical",
        "Session actors are lost again and again.",
        "Ray's list of dead actors says why they ended. A tool or a node may be the cause.",
    ),
    Alert(
        "EverrunsNoRoom",
        increase(PLACEMENTS_REFUSED, "5m"),
        "> 0",
        "0m",
        "critical",
        "Sessions found no session actor with room, so requests were refused.",
        "Add nodes, or raise max_session_actors or session_actor_bytes.",
    ),
    Alert(
        "EverrunsOverloaded",
        increase(HTTP_ERRORS, "5m", FULL),
        "> 10",
        "5m",
        "warning",
        "Requests are refused because a queue or every session actor is full.",
        "The panel of errors by code says which.",
    ),
    Alert(
        "EverrunsJournalLag",
        highest(JOURNAL_LAG),
        "> 30",
        "1m",
        "critical",
        "The database does not take what the journal holds. Nothing is lost yet.",
        "The registry's log has the reason (`journal not applied`). A full disk is the usual one.",
    ),
    Alert(
        "EverrunsEventLoopLate",
        highest(LOOP_LAG, "process"),
        "> 1",
        "2m",
        "warning",
        "A process is too busy to answer in time.",
        "Look for a tool that blocks, or for a machine without free CPU.",
    ),
    Alert(
        "EverrunsSpansDropped",
        increase(SPANS_DROPPED, "15m"),
        "> 0",
        "0m",
        "warning",
        "Spans of traces were not delivered.",
        "See whether the collector is up. Afterwards, `everruns traces export` sends them again.",
    ),
)
