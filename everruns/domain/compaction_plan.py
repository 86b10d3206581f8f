"""Where a conversation is cut, and which of its results become notes.

A cut falls only between closed groups: the calls of one answer stay together with all their
results, and what the model has not read yet stays.

Source: docs/adr/0047-compaction.md.
"""

from collections.abc import Collection, Iterator, Sequence

from everruns.domain.compaction import Compaction, CompactionPlan, CompactionReason, masked, shown
from everruns.domain.messages import Message, ToolResultPart
from everruns.domain.state import SessionState
from everruns.domain.token_estimates import conversation_tokens, message_tokens

# Notes in place of results are enough if the request then takes at most this share of the room, so
# that the next compaction is a while away; else each step would change what providers have cached.
ENOUGH = 0.75
KEPT = 1 / 3
"""The share of the room that the newest messages may take next to a summary."""
LEAST_REPLACED = 1 / 8
"""The share of the room that a summary has to replace to be worth its call."""
# Providers count differently, but not by more than this.
LEAST_RATIO, MOST_RATIO = 0.5, 4.0


def plan_compaction(
    state: SessionState,
    reason: CompactionReason,
    tokens: int,
    room: int,
    instruction_tokens: int,
    kept_results: int,
) -> CompactionPlan | None:
    """Return how the conversation can be made shorter; ``None`` if it cannot.

    Args:
        state: The session, with its whole history in memory.
        reason: Why it has to be made shorter.
        tokens: How long the next request would be, as the provider counts.
        room: How long it may be, as the provider counts.
        instruction_tokens: The estimated tokens of instructions and tools.
        kept_results: How many of the newest results are never shown as notes, if they fit.
    """
    before = list(shown(state.history, state.compaction, state.session_id))
    counted = conversation_tokens(before) + conversation_tokens(state.unread)
    ratio = min(max(tokens / max(counted + instruction_tokens, 1), LEAST_RATIO), MOST_RATIO)
    room_counted = int(room / ratio) - instruction_tokens
    if room_counted <= 0:
        return None
    earlier = state.compaction or Compaction(id="message_")
    kept_tokens = int(room_counted * KEPT)
    mask_up_to = max(earlier.masked_up_to_sequence, _mask_up_to(before, kept_results, kept_tokens))
    left = [masked(said) if said.sequence <= mask_up_to else said for said in before]
    saved = counted - conversation_tokens(left) - conversation_tokens(state.unread)
    plan = CompactionPlan(
        reason=reason,
        strategy="observation_masking",
        up_to_sequence=earlier.up_to_sequence,
        masked_up_to_sequence=mask_up_to,
        kept_sequences=earlier.kept_sequences,
        messages_before=len(before) + len(state.unread),
        tokens_before=tokens,
        room_tokens=room_counted,
    )
    if reason == "proactive_budget" and saved and counted - saved <= room_counted * ENOUGH:
        return plan
    pending = state.turn.pending if state.turn else ()
    cut = _cut(left, state.unread, pending, kept_tokens)
    replaced = conversation_tokens(left[:cut])
    is_worth_it = reason == "request_too_large" or replaced >= room_counted * LEAST_REPLACED
    # The note of an earlier compaction is not a message of the history.
    up_to = max((said.sequence for said in left[:cut]), default=0)
    if up_to <= earlier.up_to_sequence or not is_worth_it:
        return plan if saved else None
    return plan.model_copy(
        update={
            "strategy": "summarization",
            "up_to_sequence": up_to,
            "kept_sequences": _kept_input(state, left[:cut], kept_tokens // 2),
        }
    )


def cuts(
    messages: Sequence[Message], unread: Sequence[Message], pending: Collection[str]
) -> Iterator[int]:
    """Yield the places where a conversation can be cut, as indexes of the first message that stays.

    Args:
        messages: What the model has read and written, in that order.
        unread: What it has not read.
        pending: The ids of calls whose results are still to come.
    """
    places = _places_of_results(messages)
    # The smallest sequence at or after each index.
    following = min((said.sequence for said in unread), default=None)
    least: list[int | None] = [following]
    for message in reversed(messages):
        following = message.sequence if following is None else min(following, message.sequence)
        least.append(following)
    least.reverse()
    furthest, greatest = -1, 0
    for index, message in enumerate(messages):
        for call in message.tool_calls:
            if call.id in pending:
                furthest = len(messages)
            elif left := places.get(call.id):
                furthest = max(furthest, left.pop(0))
        greatest = max(greatest, message.sequence)
        next_least = least[index + 1]
        if furthest <= index and (next_least is None or next_least > greatest):
            yield index + 1


def _cut(
    messages: Sequence[Message],
    unread: Sequence[Message],
    pending: Collection[str],
    kept_tokens: int,
) -> int:
    """Return the first place that leaves no more than ``kept_tokens``, or else the last one."""
    # If nothing is unread, the model goes on from its own last step, which it has to see.
    end = len(messages) if unread else len(messages) - 1
    possible = [place for place in cuts(messages, unread, pending) if place <= end]
    left = conversation_tokens(messages)
    start = 0
    for place in possible:
        left -= conversation_tokens(messages[start:place])
        start = place
        if left <= kept_tokens:
            break
    return start


def _mask_up_to(messages: Sequence[Message], kept_results: int, kept_tokens: int) -> int:
    """Return the sequence of the newest result that does not stay as it is; 0 if all stay."""
    tokens = 0
    results = [said for said in messages if said.role == "tool_result"]
    for number, message in enumerate(reversed(results)):
        tokens += message_tokens(message)
        if number >= kept_results or tokens > kept_tokens:
            return message.sequence
    return 0


def _kept_input(state: SessionState, replaced: Sequence[Message], kept_tokens: int) -> list[int]:
    """Return the newest turn's user messages that stay: the newest one, and others as they fit."""
    first = state.last_turn.from_sequence if state.last_turn else 0
    note_id = state.compaction.id if state.compaction else None
    inputs = [
        said
        for said in replaced
        if said.role == "user" and said.sequence >= first and said.id != note_id
    ]
    kept: list[int] = []
    for message in reversed(inputs):
        kept_tokens -= message_tokens(message)
        if kept and kept_tokens < 0:
            break
        kept.insert(0, message.sequence)
    return kept


def _places_of_results(messages: Sequence[Message]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for index, message in enumerate(messages):
        for part in message.content:
            if isinstance(part, ToolResultPart):
                places.setdefault(part.tool_call_id, []).append(index)
    return places
