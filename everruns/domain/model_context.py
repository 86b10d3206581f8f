"""The context of a model's next call as people are shown it, with estimates of its tokens.

Source: docs/contract.md, "Context".
"""

from typing import Any, Literal

from pydantic import Field

from everruns.domain.base import Model, Page
from everruns.domain.messages import Message
from everruns.domain.prompts import ContextSource

MessageKind = Literal["message", "masked", "summary", "note", "pending"]


class ContextPrompt(Model):
    """A part of the system prompt."""

    source: ContextSource
    capability_id: str | None = Field(None, description="The capability that it comes from.")
    text: str | None = Field(
        None, description="What it says; absent for those who may not read agents."
    )
    tokens: int


class ContextTool(Model):
    """A tool that the model may call."""

    name: str
    description: str
    parameters: dict[str, Any]
    source: ContextSource
    capability_id: str | None = Field(None, description="The capability that it comes from.")
    listed: bool = Field(
        description="Whether the model is shown it; otherwise it can search for it."
    )
    tokens: int


class ContextMessage(Model):
    """A message as the model is shown it."""

    kind: MessageKind = Field(
        description="`message`: as it was said. `masked`: a tool's result that a compaction has "
        "replaced by an excerpt. `summary`: what stands for the messages before. `note`: what the "
        "server tells the model. `pending`: stands for the result of a call that is still open."
    )
    tokens: int
    message: Message


class ContextTokens(Model):
    """How many tokens the next call takes, as far as that is known."""

    system_prompt: int
    tools: int = Field(description="Of the tools that are listed.")
    messages: int = Field(description="Of all messages, also of those on other pages.")
    total: int = Field(description="The sum of these estimates.")
    request: int = Field(
        description="What compaction counts with: what the provider has reported for the last "
        "call, and an estimate of what came after it."
    )
    room: int | None = Field(
        None, description="From how many on the conversation is compacted, if that is known."
    )
    limit: int | None = Field(None, description="The model's context, if it is known.")


class ModelContext(Model):
    """What a session's model would be shown at its next call."""

    model: str = Field(description="The model, as provider/model.")
    prompts: list[ContextPrompt] = Field(description="The parts of the system prompt, in order.")
    tools: list[ContextTool] = Field(
        description="Those that are listed first; none for those who may not read agents."
    )
    prepared_anew: list[str] = Field(
        description="The capabilities that look for what they offer when the next turn starts."
    )
    messages: Page[ContextMessage]
    tokens: ContextTokens

    def without_instructions(self) -> "ModelContext":
        """Return what somebody is shown who may read the session and not its agent."""
        prompts = [
            part if part.source == "session" else part.model_copy(update={"text": None})
            for part in self.prompts
        ]
        return self.model_copy(update={"prompts": prompts, "tools": [], "prepared_anew": []})
