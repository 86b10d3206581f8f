"""Estimates of how many tokens a model reads, without its tokenizer.

A token is taken to be four bytes of UTF-8. What a provider reports about a request replaces the
estimate of all that the request held; see ``ConversationSize``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from everruns.domain.messages import (
    ContentPart,
    Message,
    OutputPart,
    ToolCallPart,
    ToolResultPart,
)
from everruns.domain.parts import (
    AttachedFilePart,
    FilePart,
    ImagePart,
    JsonPart,
    ResultPart,
    TextPart,
)
from everruns.domain.tools import ToolDefinition
from everruns.domain.usage import Usage

BYTES_OF_A_TOKEN = 4
TOKENS_OF_A_FRAME = 4
"""What a message costs besides its content: its role and the marks around it."""
TOKENS_OF_AN_IMAGE = 1_500


@dataclass
class ConversationSize:
    """How long the next request of a session is.

    Attributes:
        tokens: The known or estimated tokens; ``None`` if the messages have to be counted again.
        is_whole: Whether the instructions and tools are counted in, as in what providers report.
    """

    tokens: int | None = 0
    is_whole: bool = False

    def add(self, message: Message) -> None:
        """Count a message that the next request has in addition."""
        if self.tokens is not None:
            self.tokens += message_tokens(message)

    def answered(self, answer: Message, usage: Usage) -> bool:
        """Count an answer, and take over what its provider reported.

        Returns:
            Whether it reported something; what it reports covers only what the model had read.
        """
        if not usage.input_tokens:
            self.add(answer)
            return False
        # Most of what a model reasons is not sent again.
        written = min(usage.output_tokens, message_tokens(answer))
        self.tokens, self.is_whole = usage.input_tokens + written, True
        return True


def text_tokens(text: str) -> int:
    """Estimate the tokens of a text."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return -(-size // BYTES_OF_A_TOKEN)


def json_tokens(value: Any) -> int:
    """Estimate the tokens of a JSON value."""
    return -(-len(orjson.dumps(value)) // BYTES_OF_A_TOKEN)


def message_tokens(message: Message) -> int:
    """Estimate the tokens of a message."""
    tokens = TOKENS_OF_A_FRAME + sum(map(_part_tokens, message.content))
    for block in message.thinking_blocks or ():
        sealed = block.signature or block.redacted or ""
        tokens += text_tokens(block.thinking) + text_tokens(sealed)
    return tokens


def conversation_tokens(messages: Iterable[Message]) -> int:
    """Estimate the tokens of messages."""
    return sum(map(message_tokens, messages))


def instruction_tokens(system_prompt: str, tools: Iterable[ToolDefinition]) -> int:
    """Estimate the tokens of what a request has besides its messages."""
    return text_tokens(system_prompt) + sum(
        text_tokens(tool.name) + text_tokens(tool.description) + json_tokens(tool.parameters)
        for tool in tools
    )


def _part_tokens(part: ContentPart | ResultPart) -> int:
    match part:
        case TextPart():
            tokens = text_tokens(part.text)
        case ImagePart():
            tokens = TOKENS_OF_AN_IMAGE
        case AttachedFilePart():
            tokens = text_tokens(part.text) + part.pages * TOKENS_OF_AN_IMAGE
        case ToolCallPart():
            tokens = text_tokens(part.name) + json_tokens(part.arguments)
        case ToolResultPart():
            tokens = _result_tokens(part)
        case JsonPart():
            tokens = json_tokens(part.value)
        case FilePart():
            tokens = text_tokens(part.path)
        case OutputPart():
            # A value stands in the text too.
            tokens = text_tokens(part.error or "")
    return tokens


def _result_tokens(part: ToolResultPart) -> int:
    if part.parts is not None:
        return sum(map(_part_tokens, part.parts))
    return json_tokens(part.result if part.error is None else part.error)
