"""Tokens and what they cost."""

from typing import Any, TypeVar

from everruns.domain.base import Model

Amount = TypeVar("Amount", int, float)

MAX_CALL_TOKENS = 10**9
"""More tokens than any model reads or writes in one call; larger counts are errors."""


class Usage(Model):
    """Tokens used, and their estimated cost if the model's price is known."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int | None = None
    cache_creation_tokens: int | None = None
    estimated_cost_usd: float | None = None

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=_sum(self.cache_read_tokens, other.cache_read_tokens),
            cache_creation_tokens=_sum(self.cache_creation_tokens, other.cache_creation_tokens),
            estimated_cost_usd=_sum(self.estimated_cost_usd, other.estimated_cost_usd),
        )


def read_token_count(value: Any) -> int | None:
    """Return a provider's token count, or ``None`` if it is not plausible.

    Only a whole number from 0 to ``MAX_CALL_TOKENS`` is accepted; some servers write it as ``12.0``
    or ``"12"``.
    """
    if isinstance(value, str) and len(value) <= 10 and value.isdecimal():
        count = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        count = value
    elif isinstance(value, float) and value.is_integer():
        count = int(value)
    else:
        return None
    return count if 0 <= count <= MAX_CALL_TOKENS else None


def _sum(first: Amount | None, second: Amount | None) -> Amount | None:
    """Add two amounts, where ``None`` means unknown."""
    if first is None or second is None:
        return second if first is None else first
    return first + second
