"""Messages and their parts.

Source: docs/contract.md, "Resources", Message.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import AfterValidator, Field, computed_field, model_validator

from everruns.domain.base import MIB, Metadata, Model, Tags
from everruns.domain.controls import Controls, GivenControls
from everruns.domain.parts import (
    MAX_IMAGES_BYTES,
    AttachedFilePart,
    FileToAttach,
    ImagePart,
    ImageToAttach,
    ResultPart,
    TextPart,
)
from everruns.domain.tools import CallId, ToolCall

MAX_TEXT_BYTES = MIB

Role = Literal["system", "user", "agent", "tool_result"]


class ToolCallPart(Model):
    """A tool call in an agent's message."""

    type: Literal["tool_call"] = "tool_call"
    id: CallId
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class ToolResultPart(Model):
    """A tool's result in a ``tool_result`` message."""

    type: Literal["tool_result"] = "tool_result"
    tool_call_id: str
    result: Any = None
    error: str | None = None
    parts: Annotated[
        list[ResultPart] | None, Field(description="The result if it is more than one JSON value.")
    ] = None


class OutputPart(Model):
    """The value of a structured answer; or ``error``, what is wrong with the answer instead.

    Without ``error`` the answer is a value, also if ``value`` is null.
    """

    type: Literal["output"] = "output"
    value: Any = None
    error: str | None = None


def _bounded(part: TextPart) -> TextPart:
    if len(part.text.encode()) > MAX_TEXT_BYTES:
        raise ValueError(f"text: must be at most {MAX_TEXT_BYTES} bytes of UTF-8")
    return part


# Limits on what clients send; what models write has its own limit.
TextInput = Annotated[TextPart, AfterValidator(_bounded)]
InputPart = Annotated[TextInput | ImageToAttach | FileToAttach, Field(discriminator="type")]
SentPart = TextPart | ImagePart | AttachedFilePart
ContentPart = Annotated[
    TextPart | ImagePart | AttachedFilePart | ToolCallPart | ToolResultPart | OutputPart,
    Field(discriminator="type"),
]


class ThinkingBlock(Model):
    """Reasoning in the form its provider requires back: signed text or sealed content.

    A provider that signs its reasoning requires each block in its original position:
    ``text_before`` counts the code points of the message's text before it, ``calls_before`` the
    tool calls. Only the provider that wrote a message gets its blocks back.

    ``field`` is the name under which a Chat Completions server sent the text. ``item`` is what a
    provider sent in a form of its own and wants back unchanged; ``on_call`` is the index of the
    tool call that it belongs to, if any.
    """

    thinking: str = ""
    signature: str | None = None
    redacted: str | None = None
    text_before: int = 0
    calls_before: int = 0
    field: str | None = None
    item: dict[str, Any] | None = None
    on_call: int | None = None


def _bounded_content(parts: list[InputPart]) -> list[InputPart]:
    texts = sum(len(part.text.encode()) for part in parts if isinstance(part, TextPart))
    if texts > MAX_TEXT_BYTES:
        raise ValueError(f"texts: must have at most {MAX_TEXT_BYTES} bytes of UTF-8 together")
    contents = sum(len(part.base64 or "") for part in parts if not isinstance(part, TextPart))
    if contents > MAX_IMAGES_BYTES:
        raise ValueError(
            f"images and files: must have at most {MAX_IMAGES_BYTES} bytes of base64 together"
        )
    if all(isinstance(part, TextPart) and not part.text.strip() for part in parts):
        raise ValueError("is blank: give it a text, an image or a file")
    return parts


class MessageInput(Model):
    """The part of a send that becomes the message: a user's text, images and files."""

    role: Literal["user"] = "user"
    content: Annotated[
        list[InputPart],
        Field(min_length=1, max_length=100),
        AfterValidator(_bounded_content),
    ]

    @property
    def names_files(self) -> bool:
        """Whether it names files of the session's workspace."""
        return any(not isinstance(part, TextPart) and part.path for part in self.content)


class SendMessage(Model):
    """A message that a client sends.

    ``{"content": "hi"}`` and ``{"message": "hi"}`` are shorthands for one part of text.
    """

    # Fields of the message that may stand in its place.
    shorthands: ClassVar[Mapping[str, Any]] = {"content": str, "role": str}

    message: MessageInput
    controls: GivenControls | None = None
    metadata: Metadata = Field(default_factory=dict)
    tags: Tags = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _expand_shorthand(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        fields = cast("dict[str, Any]", body)
        if "message" in fields:
            message = fields["message"]
            if fields.keys() & cls.shorthands.keys():
                raise ValueError("give either a message, or its content and role in its place")
        else:
            message = {name: fields[name] for name in cls.shorthands if name in fields}
            fields = {name: fields[name] for name in fields if name not in cls.shorthands}
        if isinstance(message, str):
            message = {"content": message}
        if isinstance(message, dict):
            inner = cast("dict[str, Any]", message)
            if isinstance(inner.get("content"), str):
                inner = {**inner, "content": [{"type": "text", "text": inner["content"]}]}
            message = inner
        return {**fields, "message": message}


class Message(Model):
    """One durable entry of a conversation.

    ``model`` is the qualified name of the model that wrote an agent's message.
    """

    id: str
    session_id: str
    role: Role
    content: list[ContentPart]
    sequence: int = 0
    controls: Controls | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    tags: list[str] = Field(default_factory=list)
    model: str | None = None
    thinking_blocks: list[ThinkingBlock] | None = None
    superseded: Annotated[
        bool | None, Field(description="Whether a retry has taken it out of the conversation.")
    ] = None
    created_at: str

    @computed_field
    @property
    def thinking(self) -> str | None:
        """The readable reasoning of the message, if any."""
        return "".join(block.thinking for block in self.thinking_blocks or ()) or None

    @property
    def text(self) -> str:
        """The message's text parts, joined."""
        return "".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def images(self) -> Iterator[ImagePart]:
        """The message's images, also those within results, in order."""
        for part in self.content:
            if isinstance(part, ImagePart):
                yield part
            elif isinstance(part, ToolResultPart):
                yield from (inner for inner in part.parts or () if isinstance(inner, ImagePart))

    @property
    def has_attachments(self) -> bool:
        """Whether it has images, or PDFs by their content."""
        return any(self.images) or any(
            isinstance(part, AttachedFilePart) and part.base64 for part in self.content
        )

    def with_images(self, shown: "Callable[[ImagePart], ImagePart | TextPart]") -> "Message":
        """Return the message with something else in the place of each of its images.

        Args:
            shown: Given an image, returns what stands in its place; called in order.
        """

        def within(part: ContentPart) -> ContentPart:
            if isinstance(part, ImagePart):
                return shown(part)
            if not isinstance(part, ToolResultPart) or part.parts is None:
                return part
            parts = [
                shown(inner) if isinstance(inner, ImagePart) else inner for inner in part.parts
            ]
            return part.model_copy(update={"parts": parts})

        if next(self.images, None) is None:
            return self
        return self.model_copy(update={"content": [within(part) for part in self.content]})

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tool calls that the message requests, in order."""
        return [
            ToolCall(id=part.id, name=part.name, arguments=part.arguments)
            for part in self.content
            if isinstance(part, ToolCallPart)
        ]

    @property
    def output(self) -> OutputPart | None:
        """The part that says what came of a structured answer, if the message is one."""
        return next((part for part in self.content if isinstance(part, OutputPart)), None)
