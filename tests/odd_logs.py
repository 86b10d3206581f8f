"""Hypothesis strategies of logs that no turn would write, but that a session may hold.

They were imported, written by older versions, cut off by crashes, or filled by models and tools
that keep to no rule.
"""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from everruns.domain.deferred_tools import CALL_TOOL, SEARCH_TOOLS
from everruns.domain.events import EventType
from everruns.domain.messages import OutputPart, ThinkingBlock, ToolCallPart
from everruns.domain.parts import AttachedFilePart, FilePart, ImagePart, JsonPart, TextPart
from everruns.domain.tools import ToolDefinition
from tests.logs import LogWriter
from tests.odd_images import IMAGES
from tests.pdfs import attached_pdf

TEXTS = st.sampled_from(
    [
        *("", " ", "\n\t", "\u00a0", "\u200b", "\0", "hello", "née 🙂", "\ufffd", "{", "x" * 3000),
        *("<|im_end|>", "\u202e", "e\u0301", "</tool_call>", "null", "A\r\nB"),
    ]
)
CALL_IDS = st.sampled_from(
    [
        *("call_1", "call_2", "call_3", "a.b:c", "functions.x:0", " ", "ä", "x" * 64, "y" * 256),
        *("call_" + "0" * 32, "toolu_01", "abc123XYZ", "\0", "#"),
    ]
)
NAMES = st.sampled_from(
    [
        *("tool", "", "my.server/tool", "werkzeug ä", "1st", "-x", "n" * 64, "n" * 63 + "mm"),
        *("n" * 63 + "mn", "mcp__server__tool", "tool<|channel|>", "\0"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
ARGUMENTS = st.dictionaries(TEXTS, VALUES, max_size=2)
OFFSETS = st.sampled_from([-1, 0, 1, 2, 5, 1000])
ITEMS = st.sampled_from(
    [
        {},
        {"type": "reasoning"},
        {"type": "reasoning", "encrypted_content": None, "summary": []},
        {"type": "reasoning", "encrypted_content": 1, "summary": "x"},
        {"type": "message", "phase": "commentary"},
        {"type": "message", "phase": 3},
        {"role": "system", "content": "x", "tool_calls": []},
        {"id": "other", "function": {"name": "x", "arguments": ""}, "type": "custom"},
        {"reasoning_details": "x", "thinking_blocks": None},
        {"extra_content": None},
    ]
)
FIELDS = st.sampled_from(
    [None, "reasoning_content", "reasoning", "content", "role", "tool_calls", "tool_call_id", ""]
)
THOUGHTS = st.builds(
    ThinkingBlock,
    thinking=TEXTS,
    text_before=OFFSETS,
    calls_before=OFFSETS,
    field=FIELDS,
    item=st.none() | ITEMS,
    on_call=st.none() | OFFSETS,
)
SMALL = [part for part in IMAGES.values() if len(part.base64 or "") < 300_000]
LARGE = [part for part in IMAGES.values() if part not in SMALL]
IMAGE_PARTS = st.sampled_from(SMALL)
# A check of megabytes takes as long as a hundred others.
ANY_IMAGE_PARTS = st.sampled_from([*SMALL * 4, *LARGE])
MEDIA_TYPES = TEXTS.filter(lambda text: len(text) <= 256)
OUTPUT_PARTS = st.one_of(
    TEXTS.map(lambda text: TextPart(text=text)),
    st.builds(JsonPart, value=VALUES),
    st.builds(FilePart, path=TEXTS, media_type=st.none() | MEDIA_TYPES),
    IMAGE_PARTS,
)
FILE_PARTS = st.sampled_from(
    [
        attached_pdf(),
        attached_pdf(text=""),
        attached_pdf(pages=101),
        # As an import may say.
        attached_pdf(pages=0),
        attached_pdf(base64=None),
        attached_pdf(size=3 * 1024 * 1024, pages=1),
        AttachedFilePart(filename="a.txt", media_type="text/plain", size_bytes=2, text="hi"),
        AttachedFilePart(filename="a.txt", media_type="text/plain", size_bytes=0, text=""),
        AttachedFilePart(
            path="/ä/b.md", filename="b.md", media_type="text/markdown", size_bytes=2, text=" "
        ),
    ]
)
SAID_PARTS = TEXTS.map(lambda text: TextPart(text=text)) | IMAGE_PARTS | FILE_PARTS
OUTPUTS = st.lists(
    st.builds(OutputPart, value=VALUES) | st.builds(OutputPart, error=TEXTS), min_size=1, max_size=2
)
CALLS = st.builds(ToolCallPart, id=CALL_IDS, name=NAMES, arguments=ARGUMENTS)

SCHEMAS = st.sampled_from(
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A"}, "größe": {"type": "number"}},
            "required": ["a", "größe"],
            "$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/B"}}, "B": {"const": 1}},
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"node": {"$ref": "#/$defs/Node"}},
            "$defs": {
                "Node": {
                    "type": "object",
                    "properties": {"next": {"$ref": "#/$defs/Node"}, "v": {"type": ["string"]}},
                    "x-order": 3,
                }
            },
        },
        {
            "type": "object",
            "properties": {"x": {"type": "string"}},
            "anyOf": [{"required": ["x"]}, {"properties": {"y": {"type": "integer"}}}],
            "additionalProperties": {},
        },
        {
            "oneOf": [{"type": "object", "properties": {"a": True}}, {"$ref": "#/$defs/Z"}],
            "$defs": {"Z": {"type": "object", "properties": {"z": {"enum": [1, "b", None]}}}},
        },
        {"type": "object", "allOf": [{"properties": {"q": {"type": "array"}}, "required": ["q"]}]},
        {"type": "object", "properties": {"p": {"anyOf": [{"not": {}}, {"type": "string"}]}}},
        {"type": "object", "properties": {"p": {"type": ["integer", "null"], "format": "int64"}}},
        {"type": "object", "properties": {"t": {"prefixItems": [{"type": "string"}, {}]}}},
        {"type": "object", "properties": {"n" * 65: {}, "": {}, "a b": {}}, "required": ["a b"]},
        {"type": "object", "properties": {"i": {"items": False, "type": "array"}}, "enum": [{}]},
        {"type": "object", "not": {"required": ["x"]}, "if": {}, "then": {}, "required": ["w"]},
    ]
)
OUTPUT_SCHEMAS = SCHEMAS | st.sampled_from(
    [
        {"type": "array", "items": {"type": ["string", "null"]}, "minItems": 3},
        {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "none"}]},
        {"enum": [1, "two", None]},
        {"type": "object", "additionalProperties": {"type": "number"}},
        {
            "$ref": "#/$defs/N",
            "$defs": {"N": {"type": "object", "properties": {"v": {"const": 1}}}},
        },
        {"type": "string", "format": "uri", "pattern": "^https", "maxLength": 9, "default": "x"},
        {
            "type": "object",
            "properties": {
                "tree": {"$ref": "#/definitions/Tree"},
                "when": {"type": "string", "format": "date", "title": "When"},
                "kind": {"oneOf": [{"type": "null"}, {"$ref": "#/definitions/Kind"}]},
            },
            "definitions": {
                "Tree": {"type": "object", "properties": {"of": {"$ref": "#/definitions/Tree"}}},
                "Kind": {"enum": ["a", "b"]},
            },
        },
    ]
)
# As they may be declared: the names of capabilities' and clients' tools have this form.
DECLARED = st.sampled_from(["tool", "1st", "-x", "_", "n" * 64, "mcp__server__tool", "tool_1"])
TOOL = st.builds(
    ToolDefinition,
    name=DECLARED,
    description=st.sampled_from(["", "Does it.", "é" * 1500]),
    parameters=SCHEMAS,
)
TOOLS = st.lists(TOOL, unique_by=lambda tool: tool.name, max_size=4)
MANY_TOOLS = st.lists(TOOL, unique_by=lambda tool: tool.name, min_size=4, max_size=7)

DECLARED_CALLS = st.builds(ToolCallPart, id=CALL_IDS, name=DECLARED, arguments=ARGUMENTS)
CALLS_BY_NAME = DECLARED_CALLS | st.builds(
    ToolCallPart,
    id=CALL_IDS,
    name=st.just(CALL_TOOL),
    arguments=st.fixed_dictionaries(
        {"name": DECLARED | TEXTS | st.just([]), "arguments": ARGUMENTS | VALUES},
        optional={"more": VALUES},
    ),
)
FOUND = st.builds(
    lambda names, note: {"tools": [{"name": name} for name in names], "note": note},
    st.lists(st.one_of(DECLARED, DECLARED, NAMES), min_size=1, max_size=5),
    TEXTS,
)
OUTCOMES = st.one_of(
    FOUND.map(lambda found: {"result": found}),
    FOUND.map(lambda found: {"result": found}),
    FOUND.map(lambda found: {"result": found, "parts": [{"type": "text", "text": "x"}]}),
    VALUES.map(lambda value: {"result": value}),
    TEXTS.map(lambda error: {"error": error}),
)

STEPS = ("user", "user", "agent", "agent", "result", "result", "end", "retry", "images")
STEPS = (*STEPS, "large images", "output", "compact", "search", "call")
SEARCHES = ("user", "search", "search", "call", "call", "result", "compact", "end")


@st.composite
def odd_logs(
    draw: st.DrawFn,
    models: st.SearchStrategy[str | None],
    thoughts: st.SearchStrategy[ThinkingBlock] = THOUGHTS,
    max_steps: int = 14,
    steps: Sequence[str] = STEPS,
    least_steps: int = 0,
) -> LogWriter:
    """Logs of any messages, results and ends, in any order.

    Args:
        models: The qualified names of the models that wrote the answers.
        thoughts: The reasoning in these answers.
        max_steps: How many steps there are at most.
        steps: The steps of which they consist.
        least_steps: How many there are at least.
    """
    log = LogWriter()
    for _ in range(draw(st.integers(least_steps, max_steps))):
        match draw(st.sampled_from(steps)):
            case "user":
                _say(
                    log,
                    "user",
                    draw(st.lists(SAID_PARTS, max_size=3)),
                )
            case "images":
                _say(log, "user", [draw(IMAGE_PARTS)] * draw(st.sampled_from([6, 21])))
            case "large images" if not draw(st.integers(0, 29)):
                _say(log, "user", [draw(st.sampled_from(LARGE))] * draw(st.sampled_from([1, 7])))
            case "agent":
                calls = draw(st.lists(CALLS, max_size=3) | OUTPUTS)
                texts = draw(st.lists(TEXTS.map(_text), max_size=2))
                fields = {
                    "model": draw(models),
                    "thinking_blocks": draw(st.none() | st.lists(thoughts, max_size=2)),
                }
                _say(log, "agent", [*texts, *calls], **fields)
            case "search":
                call = ToolCallPart(id=draw(CALL_IDS), name=SEARCH_TOOLS, arguments={"query": "x"})
                others = draw(st.lists(CALLS_BY_NAME, max_size=1))
                _say(log, "agent", [call, *others], model=draw(models))
                _return(log, call.id, draw(OUTCOMES))
            case "call":
                calls = draw(st.lists(CALLS_BY_NAME, min_size=1, max_size=2))
                _say(log, "agent", calls, model=draw(models))
                for call in calls:
                    _return(log, call.id, {"result": 1})
            case "result":
                error = draw(st.none() | TEXTS)
                outcome = {"result": draw(VALUES)} if error is None else {"error": error}
                _return(log, draw(CALL_IDS), outcome)
            case "output":
                # For a call that waits, if there is one: else the result is left out.
                calls = list(log.state.turn.pending) if log.state.turn else []
                parts = draw(st.lists(OUTPUT_PARTS, max_size=4))
                _return(
                    log,
                    draw(st.sampled_from(calls) if calls else CALL_IDS),
                    {"parts": [part.wire() for part in parts]},
                )
            case "compact" if log.state.turn:
                log.compact(draw(st.sampled_from([20, 500])), draw(TEXTS), draw(st.integers(0, 2)))
            case "end" if log.state.turn:
                log.end(draw(st.sampled_from(ENDS)))
            case "retry" if log.state.turn is None and log.state.last_turn:
                log.retry()
            case _:
                pass
    return log


ENDS = [EventType.SESSION_COMPLETED, EventType.SESSION_FAILED, EventType.SESSION_CANCELLED]


def _text(text: str) -> TextPart:
    return TextPart(text=text)


def _say(log: LogWriter, role: str, content: list[Any], **fields: Any) -> None:
    message = log.message(role, content).model_copy(update=fields)
    data = {"message": message.wire()}
    if role == "agent":
        data["input_sequence"] = log.state.sequence
    log.write(EventType.MESSAGE_CREATED, data)
    if role == "user" and log.state.turn is None:
        opened = {"turn_id": "turn_" + "1" * 32, "input_message_id": message.id}
        log.write(EventType.SESSION_STARTED, opened, **opened)


def _return(log: LogWriter, call_id: str, outcome: dict[str, Any]) -> None:
    success = "error" not in outcome
    data = {"tool_call_id": call_id, "name": "tool", "success": success, "duration_ms": 1}
    log.write(EventType.TOOL_RESULT, {**data, **outcome})


def question(log: LogWriter, content: list[TextPart | ImagePart]) -> None:
    """Ask what the model is to answer now."""
    _say(log, "user", list(content))
