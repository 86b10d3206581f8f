"""Compaction: what a model is shown of a conversation that has become too long for it.

Compactions are events; the messages stay in the log as they are. Old tool results are shown as
notes (*masking*), and the messages before a cut are replaced by a summary, or left out.

Source: docs/contract.md, "Compaction"; docs/adr/0047-compaction.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from everruns.domain.base import Model
from everruns.domain.excerpts import plain_text
from everruns.domain.messages import Message, TextPart, ToolResultPart
from everruns.domain.token_estimates import message_tokens
from everruns.ids import format_time

SEARCH_HISTORY = "search_history"
"""The tool with which a model looks up what it is no longer shown."""

CompactionReason = Literal["proactive_budget", "request_too_large"]
CompactionStrategy = Literal["observation_masking", "summarization", "trim"]

NOTE = (
    "[Earlier messages of this conversation were replaced by this note, to save room. It was "
    "written by the system, not by the user.]"
)
DECISIONS_HEADING = "## Decisions of people on tools"
"""Begins the section of a note that restates which tools are allowed or rejected for always."""

MASKED_EXCERPT = 160
# A note in place of a result that is shorter than this would save nothing.
LEAST_MASKED_TOKENS = 96


@dataclass(frozen=True)
class CompactionRule:
    """When a deployment compacts conversations.

    Attributes:
        share: The share of a model's context that a request may have; 0 if none are compacted.
        kept_results: How many of the newest results are never shown as notes, if they fit.
    """

    share: float
    kept_results: int

    def room_tokens(self, context: int | None, output: int | None) -> int | None:
        """Return how many tokens a request may have; ``None`` if that is not known.

        Args:
            context: How many tokens the model reads and writes together.
            output: How many of them are asked for, if that is said.
        """
        if not self.share or context is None:
            return None
        room = int(context * self.share)
        return min(room, context - output) if output and output < context else room


class CompactionPlan(Model):
    """What a compaction is about to do, as ``context.compacting`` announces it.

    Attributes:
        reason: The estimate has reached the share that is allowed, or the provider has refused.
        strategy: What is tried first.
        up_to_sequence: The messages up to it are replaced; 0 if none are.
        masked_up_to_sequence: The results up to it are shown as notes.
        kept_sequences: The user messages before the cut that stay as they are.
        messages_before: How many messages the model was shown.
        tokens_before: Their known or estimated tokens, with instructions and tools.
        room_tokens: How many tokens the conversation may have afterwards, as this process counts.
    """

    reason: CompactionReason
    strategy: CompactionStrategy
    up_to_sequence: int = 0
    masked_up_to_sequence: int = 0
    kept_sequences: list[int] = Field(default_factory=list[int])
    messages_before: int = 0
    tokens_before: int = 0
    room_tokens: int = 0


class Compaction(Model):
    """The combined effect of a conversation's compactions.

    Attributes:
        id: The id of the note that stands for what was replaced.
        up_to_sequence: The messages up to it are not shown; 0 if all are.
        masked_up_to_sequence: The results up to it are shown as notes.
        kept_sequences: The user messages before the cut that are shown all the same.
        summary: The newest summary, in the words of the model that wrote it.
        restated: What still holds, whatever the summary says: the task list, permissions.
        ts: When, in milliseconds since the epoch.
    """

    id: str
    up_to_sequence: int = 0
    masked_up_to_sequence: int = 0
    kept_sequences: list[int] = Field(default_factory=list[int])
    summary: str | None = None
    restated: str | None = None
    ts: int = 0

    @classmethod
    def after(
        cls, earlier: "Compaction | None", event_id: str, ts: int, data: dict[str, Any]
    ) -> "Compaction":
        """Return what holds after a ``context.compacted``.

        If the event has no summary, the one before it stays.

        Args:
            earlier: What held before.
            event_id: The event's id.
            ts: Its time in milliseconds since the epoch.
            data: Its data.
        """
        known = earlier.model_dump() if earlier else {}
        given = {name: value for name, value in data.items() if value is not None}
        return cls.model_validate(
            {**known, **given, "id": event_id.replace("event_", "message_"), "ts": ts}
        )

    def without_decisions(self) -> "Compaction":
        """Return it as it is where the permanent decisions on tools do not hold."""
        sections = (self.restated or "").split("\n\n")
        left = [section for section in sections if not section.startswith(DECISIONS_HEADING)]
        return self.model_copy(update={"restated": "\n\n".join(left) or None})

    def shows(self, sequence: int) -> bool:
        """Tell whether the model is shown a message of the conversation, masked or not."""
        return sequence > self.up_to_sequence or sequence in self.kept_sequences

    def note(self, session_id: str) -> Message:
        """Return the message that stands for what was replaced."""
        sections = [
            NOTE,
            f"## What was said and done so far\n\n{self.summary}" if self.summary else None,
            self.restated,
            f"Use {SEARCH_HISTORY} to look up earlier messages and results word by word.",
        ]
        return Message(
            id=self.id,
            session_id=session_id,
            role="user",
            content=[TextPart(text="\n\n".join(filter(None, sections)))],
            sequence=self.up_to_sequence,
            created_at=format_time(self.ts),
        )


def shown(
    history: Sequence[Message], compaction: Compaction | None, session_id: str
) -> Sequence[Message]:
    """Return what a model is shown of a history: a note if it was cut, then the messages.

    Args:
        history: The messages in the order in which models have read them.
        compaction: What its compactions have come to.
        session_id: Whose history it is.
    """
    if compaction is None:
        return history
    left = [
        masked(message) if message.sequence <= compaction.masked_up_to_sequence else message
        for message in history
        if compaction.shows(message.sequence)
    ]
    return [compaction.note(session_id), *left] if compaction.up_to_sequence else left


def replaced_before(first: int, sequences: Iterable[int], compaction: Compaction) -> list[int]:
    """Return the sequences before ``first`` that a model is not shown any more, in their order."""
    return [said for said in sequences if said < first and not compaction.shows(said)]


def masked(message: Message) -> Message:
    """Return a tool's result as a note that says how to look it up; other messages as they are."""
    if message.role != "tool_result" or message_tokens(message) < LEAST_MASKED_TOKENS:
        return message
    excerpt = plain_text(message)[:MASKED_EXCERPT]
    text = (
        f"{excerpt}… [The rest of this result was left out to save room. "
        f"{SEARCH_HISTORY} shows it with around_sequence {message.sequence}.]"
    )
    parts = [part for part in message.content if isinstance(part, ToolResultPart)]
    content = [ToolResultPart(tool_call_id=part.tool_call_id, result=text) for part in parts]
    return message.model_copy(update={"content": content})
