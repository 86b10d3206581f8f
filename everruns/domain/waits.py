"""What a session's turn waits for: calls that only somebody outside can answer, and for how long.

Source: docs/contract.md, "Waiting".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import PlainValidator, WithJsonSchema, model_validator

from everruns.domain.base import Model
from everruns.domain.events import Event, EventType
from everruns.ids import format_time

WaitType = Literal["tool_call", "question", "approval"]
OnTimeout = Literal["error", "recommendation", "keep_waiting"]
DeciderKind = Literal["end_user", "operator"]
Unanswered = Literal["timed_out", "superseded", "turn_ended", "process_lost", "not_needed"]

NEVER = "never"
NEVER_MS = 2**53 - 1
"""Stands for "never" where a time in milliseconds is stored and compared."""
MAX_WAIT_S = 31_536_000
"""One year."""


def _seconds(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or value == NEVER or (is_number and 1 <= value <= MAX_WAIT_S):
        return value
    raise ValueError(f'must be a number of seconds from 1 to {MAX_WAIT_S}, or "{NEVER}"')


_KINDS: list[dict[str, Any]] = [
    {"type": "number", "minimum": 1, "maximum": MAX_WAIT_S},
    {"type": "string", "enum": [NEVER]},
]


def seconds_schema(title: str, description: str) -> dict[str, Any]:
    """Return the JSON Schema of seconds in the config of a capability, with words for a form.

    Args:
        title: The name of the field.
        description: What they mean.
    """
    number, word = _KINDS
    return {
        "title": title,
        "description": description,
        "anyOf": [
            {"title": "Seconds", "description": f"seconds from 1 to {MAX_WAIT_S}", **number},
            {"title": "Never", "description": f'"{NEVER}"', **word},
        ],
    }


Seconds = Annotated[
    int | float | Literal["never"] | None,
    PlainValidator(_seconds),
    WithJsonSchema({"anyOf": [*_KINDS, {"type": "null"}]}),
]
"""Seconds from one to a year, or ``never``; ``None`` leaves it to a more general rule."""


def _number(seconds: float | str | None) -> float | None:
    return None if isinstance(seconds, str) else seconds


class WaitRule(Model):
    """How long a call waits for somebody outside, and what happens then.

    A field without a value is taken from the next, more general rule; see ``or_else``.

    Attributes:
        timeout_seconds: After how many seconds its time is over.
        on_timeout: What happens then: the model reads an error, a question is answered with what
            the model recommended, or the call keeps waiting.
        remind_after_seconds: After how many seconds a reminder is recorded.
    """

    timeout_seconds: Seconds = None
    # Clients send rules of client-side tools; only the config of ``ask_user`` has recommendations.
    on_timeout: (
        Annotated[
            OnTimeout,
            WithJsonSchema({"type": "string", "enum": ["error", "keep_waiting"]}),
        ]
        | None
    ) = None
    remind_after_seconds: Seconds = None

    @model_validator(mode="after")
    def _remind_before_the_end(self) -> "WaitRule":
        end, reminder = _number(self.timeout_seconds), _number(self.remind_after_seconds)
        if self.on_timeout == "keep_waiting" or end is None or reminder is None:
            return self
        if reminder >= end:
            raise ValueError("remind_after_seconds must be less than timeout_seconds")
        return self

    @classmethod
    @lru_cache
    def of_deployment(cls, timeout_s: float) -> "WaitRule":
        """Return the rule of a setting, in which 0 stands for never."""
        # Constructed as it is: a setting has its own bounds.
        return cls.model_construct(timeout_seconds=timeout_s or NEVER, on_timeout="error")

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> "WaitRule":
        """Return the rule among the settings of a capability, whose schema has checked them."""
        if not config:
            return OPEN_RULE
        return cls.model_construct(**{name: config.get(name) for name in cls.model_fields})

    def at_most(self, seconds: float) -> "WaitRule":
        """Return the rule for a question whose asker waits only for a limited time."""
        given = _number(self.timeout_seconds)
        timeout = seconds if given is None else min(given, seconds)
        return WaitRule.model_construct(timeout_seconds=timeout, on_timeout="error")

    @property
    def is_open(self) -> bool:
        """Whether it leaves everything to a more general rule."""
        return (
            self.timeout_seconds is None
            and self.on_timeout is None
            and self.remind_after_seconds is None
        )

    def or_else(self, general: "WaitRule | None") -> "WaitRule":
        """Return this rule, with what it leaves open taken from a more general one."""
        if general is None or general.is_open:
            return self
        if self.is_open:
            return general
        given = {name: value for name, value in self if value is not None}
        return WaitRule.model_construct(**{**dict(general), **given})

    def recorded(self) -> dict[str, Any]:
        """Return the fields of the event that asks, which fix the rule for this one call."""
        times = {
            "timeout_ms": self.timeout_seconds,
            "remind_after_ms": self.remind_after_seconds,
        }
        return {
            **{
                name: round(seconds * 1000)
                for name, given in times.items()
                if (seconds := _number(given)) is not None
            },
            "on_timeout": self.on_timeout or "error",
        }


OPEN_RULE = WaitRule()
"""The rule that leaves everything to a more general one."""


@dataclass(frozen=True)
class Asked:
    """A call that waits for outside input, with the rule that was fixed when it was asked.

    Attributes:
        asked_ms: When it was asked, in milliseconds since the epoch.
        due_ms: When its time is over; ``None`` if it never is.
        remind_ms: When to remind of it; ``None`` if never, or once that is done.
        on_timeout: What happens when its time is over.
        is_overdue: Whether its time is over and it keeps waiting.
        decided_by: Who may allow it, if it is held.
    """

    asked_ms: int
    due_ms: int | None = None
    remind_ms: int | None = None
    on_timeout: OnTimeout = "error"
    is_overdue: bool = False
    decided_by: DeciderKind | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any], ts: int, default: OnTimeout = "error") -> "Asked":
        """Return the call of an event that asks.

        Args:
            data: The event's data.
            ts: Its time, in milliseconds since the epoch.
            default: What happens at the end of the time if the event does not say.
        """
        timeout_ms, remind_ms = data.get("timeout_ms"), data.get("remind_after_ms")
        return cls(
            ts,
            None if timeout_ms is None else ts + timeout_ms,
            None if remind_ms is None else ts + remind_ms,
            data.get("on_timeout", default),
            decided_by=data.get("decided_by", {}).get("kind"),
        )

    @property
    def next_ms(self) -> int:
        """When the turn must see to it; ``NEVER_MS`` if it need not."""
        moments = (self.remind_ms, None if self.is_overdue else self.due_ms)
        return min((ms for ms in moments if ms is not None), default=NEVER_MS)

    def is_due(self, now: int) -> bool:
        """Tell whether its time is over, and that was not recorded yet."""
        return self.due_ms is not None and self.due_ms <= now and not self.is_overdue

    def is_to_be_reminded_of(self, now: int) -> bool:
        """Tell whether a reminder is due."""
        return self.remind_ms is not None and self.remind_ms <= now


class Wait(Model):
    """A call that waits for outside input.

    Attributes:
        type: ``tool_call`` waits for a client-side tool's result, ``question`` for the user's
            answers, ``approval`` for a decision.
        tool_call_id: The call that the input names.
        name: The call's tool.
        arguments: The call's arguments; lists of sessions leave them out.
        since: When it was asked.
        expires_at: When its time is over, which may be past if the call keeps waiting; absent if
            it waits as long as it takes.
        on_timeout: What happens then.
        decided_by: Who may decide, if it waits for an approval. An operator always may.
    """

    type: WaitType
    tool_call_id: str
    name: str
    arguments: dict[str, Any] | None = None
    since: str
    expires_at: str | None = None
    on_timeout: OnTimeout = "error"
    decided_by: DeciderKind | None = None

    @classmethod
    def of(cls, type_: WaitType, call_id: str, name: str, asked: Asked) -> "Wait":
        """Return the wait of a call, without its arguments."""
        return cls(
            type=type_,
            tool_call_id=call_id,
            name=name,
            since=format_time(asked.asked_ms),
            expires_at=None if asked.due_ms is None else format_time(asked.due_ms),
            on_timeout=asked.on_timeout,
            decided_by=asked.decided_by,
        )


ASKING = (EventType.TOOL_CALL, EventType.TOOL_APPROVAL)
"""The events that ask somebody outside; they hold the arguments of calls."""


def with_arguments(waits: Sequence[Wait], events: Iterable[Event]) -> list[Wait]:
    """Return waits with the arguments of their calls.

    Args:
        waits: The waits.
        events: The events that asked.
    """
    calls = [call for event in events if (call := event.data.get("tool_call"))]
    arguments = {call["id"]: call.get("arguments", {}) for call in calls}
    return [
        wait.model_copy(update={"arguments": arguments.get(wait.tool_call_id)}) for wait in waits
    ]
