"""When a model was asked, and when it answered.

Source: docs/contract.md, "Events".
"""

from pydantic import Field

from everruns.domain.base import Model
from everruns.domain.llm import ProviderType


class Timing(Model):
    """The course of a model call; times are in milliseconds since the epoch."""

    started_ms: int = Field(description="When the model was asked, the first time.")
    first_token_ms: int | None = Field(
        None,
        description="When its first text or reasoning came; absent if it only called tools.",
    )
    ended_ms: int = Field(description="When the answer was complete or broke off.")
    attempts: int = Field(description="How often the provider was asked until it answered.")
    provider: ProviderType
