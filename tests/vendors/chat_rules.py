"""What servers of Chat Completions refuse in a request, one rule a function.

A rule yields a problem for each thing that it finds, in the words of the servers that have it.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import orjson

from tests.vendors.file_rules import file_problems
from tests.vendors.image_rules import ImageRule, Sent, image_problems
from tests.vendors.output_rules import openai_output
from tests.vendors.seals import SKIP_SIGNATURE, is_sealed
from tests.vendors.tool_rules import NAMES, tool_problems

Body = dict[str, Any]
Rule = Callable[[Body], Iterator[str]]

CONTENT_PARTS = {
    "text": {"type", "text"},
    "image_url": {"type", "image_url"},
    "file": {"type", "file"},
}

# Source: https://platform.openai.com/docs/api-reference/chat/create.
FIELDS = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "tools", "tool_choice"),
        *("parallel_tool_calls", "temperature", "top_p", "max_tokens"),
        *("max_completion_tokens", "stop", "seed", "reasoning_effort", "n"),
        *("presence_penalty", "user", "frequency_penalty", "response_format", "logprobs"),
        *("top_logprobs", "logit_bias", "metadata", "store"),
    }
)
MESSAGE_FIELDS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "tool_calls", "refusal"},
    "tool": {"role", "content", "tool_call_id"},
}


def well_formed(body: Body) -> Iterator[str]:
    """Check what the reference of the protocol says, which all servers share."""
    if not body.get("model") or not body.get("messages"):
        yield "model and messages are required"
    for at, message in enumerate(body["messages"]):
        if message.get("role") not in MESSAGE_FIELDS:
            yield f"messages[{at}]: unknown role {message.get('role')!r}"
            continue
        yield from _content_problems(at, message)
        for call in message.get("tool_calls") or ():
            yield from _call_problems(at, call)
    for tool in body.get("tools") or ():
        function = tool.get("function") or {}
        schema = function.get("parameters") or {}
        if tool.get("type") != "function" or not NAMES.fullmatch(function.get("name", "")):
            yield f"tools: {tool} is not a function with a name"
        if schema.get("type") != "object" or "properties" not in schema:
            yield "Invalid schema for function: object schema missing properties"
    tools = [tool.get("function") or {} for tool in body.get("tools") or ()]
    yield from tool_problems((tool.get("name", ""), tool.get("parameters", {})) for tool in tools)
    if described := body.get("response_format"):
        yield from openai_output(described["json_schema"])


def no_schema_with_tools(body: Body) -> Iterator[str]:
    """Servers that bind their models to a grammar do so from the first token of an answer."""
    if body.get("response_format") and body.get("tools"):
        yield "Function calling with a response mime type: 'application/json' is unsupported"


def no_schema(body: Body) -> Iterator[str]:
    """Some servers know JSON as a format, and no schema of it."""
    if body.get("response_format", {}).get("type") == "json_schema":
        yield "This response_format type is unavailable now"


def _content_problems(at: int, message: Body) -> Iterator[str]:
    content = message.get("content")
    if content is None:
        if not (message["role"] == "assistant" and message.get("tool_calls")):
            yield f"Invalid value for 'content' of messages[{at}]: expected a string, got null."
    elif isinstance(content, list):
        if not content:
            yield f"messages[{at}].content: an empty list"
        for part in content:
            known = CONTENT_PARTS.get(part.get("type"))
            is_text = part.get("type") == "text" or message["role"] == "user"
            if known is None or set(part) != known or not is_text:
                yield f"messages[{at}].content: {part} is not a part of content"
    elif not isinstance(content, str):
        yield f"messages[{at}].content: {content!r} is neither text nor a list"


def _call_problems(at: int, call: Body) -> Iterator[str]:
    function = call.get("function") or {}
    if not call.get("id") or call.get("type") != "function":
        yield f"messages[{at}].tool_calls: {call} has no id or type"
    if not NAMES.fullmatch(function.get("name") or ""):
        yield f"messages[{at}].tool_calls: the name {function.get('name')!r} does not match"
    try:
        arguments = orjson.loads(function.get("arguments", ""))
    except (orjson.JSONDecodeError, TypeError):
        arguments = None
    if not isinstance(arguments, dict):
        yield f"messages[{at}].tool_calls: the arguments are not a JSON object in a string"


def paired(body: Body) -> Iterator[str]:
    """Each call has its result directly after the answer, and each result its call."""
    due: set[str] = set()
    for at, message in enumerate(body["messages"]):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in due:
                yield "messages with role 'tool' must be a response to a preceeding message"
            due.discard(message.get("tool_call_id"))
            continue
        if due:
            yield (
                "An assistant message with 'tool_calls' must be followed by tool messages "
                f"responding to each 'tool_call_id': {sorted(due)} before messages[{at}]"
            )
        ids = [call.get("id") for call in message.get("tool_calls") or ()]
        if len(set(ids)) != len(ids):
            yield f"messages[{at}]: two calls have one id"
        due = set(ids)
    if due:
        yield f"{sorted(due)} have no results"


def fields_within(
    fields: Collection[str] = FIELDS, words: str = "Unknown parameter: '{}'.", **more: set[str]
) -> Rule:
    """Refuse fields that the server does not know, at the top and in messages.

    Args:
        fields: Those it knows at the top.
        words: Its words.
        more: Additional fields of messages, by role.
    """

    def rule(body: Body) -> Iterator[str]:
        for name in sorted(set(body) - set(fields)):
            yield words.format(name)
        for at, message in enumerate(body["messages"]):
            known = MESSAGE_FIELDS.get(message["role"], set()) | more.get(message["role"], set())
            for name in sorted(set(message) - known):
                yield words.format(f"messages[{at}].{name}")

    return rule


def without(words: str, *fields: str) -> Rule:
    """Refuse fields that the server knows and does not take."""

    def rule(body: Body) -> Iterator[str]:
        yield from (words.format(name) for name in fields if name in body)

    return rule


def call_ids(pattern: str, words: str) -> Rule:
    """Refuse ids of calls in another form."""

    def rule(body: Body) -> Iterator[str]:
        for message in body["messages"]:
            ids = [call["id"] for call in message.get("tool_calls") or ()]
            ids += [message["tool_call_id"]] if "tool_call_id" in message else []
            yield from (
                words.format(call_id) for call_id in ids if not re.fullmatch(pattern, call_id)
            )

    return rule


def files(body: Body) -> Iterator[str]:
    """Refuse files that are no PDFs."""
    for message in body["messages"]:
        parts = message["content"] if isinstance(message.get("content"), list) else []
        for part in parts:
            if "file" in part:
                yield from file_problems(part["file"])


def without_files(body: Body) -> Iterator[str]:
    """Refuse every file: most servers know text and images alone."""
    for message in body["messages"]:
        parts = message["content"] if isinstance(message.get("content"), list) else []
        if any("file" in part for part in parts):
            yield "unknown variant `file`, expected `text` or `image_url`"


def not_in_a_row(*pairs: tuple[str, str], words: str) -> Rule:
    """Refuse messages whose roles follow each other in these ways."""

    def rule(body: Body) -> Iterator[str]:
        roles = [message["role"] for message in body["messages"]]
        for before, after in pairwise(roles):
            if (before, after) in pairs:
                yield words.format(after, before)

    return rule


def images_within(kinds: Sequence[str], words: str) -> Rule:
    """Refuse images whose URL begins with none of these."""

    def rule(body: Body) -> Iterator[str]:
        for message in body["messages"]:
            parts = message["content"] if isinstance(message.get("content"), list) else []
            for part in parts:
                url = (part.get("image_url") or {}).get("url", "") if "image_url" in part else None
                if url is not None and not url.startswith(tuple(kinds) or "\0"):
                    yield words

    return rule


def images(rule_of_vendor: ImageRule) -> Rule:
    """Refuse images that the server cannot read, and those beyond its limits."""

    def rule(body: Body) -> Iterator[str]:
        yield from image_problems(rule_of_vendor, _images(body), body)

    return rule


def _images(body: Body) -> Iterator[Sent]:
    for message in body["messages"]:
        parts = message["content"] if isinstance(message.get("content"), list) else []
        for part in parts:
            if "image_url" in part:
                yield Sent.at(part["image_url"]["url"])


def no_blank_texts(body: Body) -> Iterator[str]:
    """Refuse texts that are blank.

    Source: the Converse API of Bedrock ("The text field in the ContentBlock object is blank") and
    https://github.com/vllm-project/vllm/issues/21089.
    """
    for at, message in enumerate(body["messages"]):
        content = message.get("content")
        texts = [content] if isinstance(content, str) else []
        if isinstance(content, list):
            texts = [part["text"] for part in content if part.get("type") == "text"]
        if any(not text.strip() for text in texts):
            yield f"The text field in the ContentBlock object at messages.{at} is blank."


def last_from_outside(body: Body) -> Iterator[str]:
    """Refuse a conversation that ends with an answer."""
    if body["messages"][-1]["role"] not in {"user", "tool"}:
        yield "Expected last role User or Tool for serving but got assistant"


def schemas_checked(problems: Callable[[Any], Iterator[str]]) -> Rule:
    """Refuse schemas with a problem."""

    def rule(body: Body) -> Iterator[str]:
        for tool in body.get("tools") or ():
            yield from problems(tool["function"]["parameters"])

    return rule


def names_within(pattern: str, words: str) -> Rule:
    """Refuse names of tools in another form, as they are offered and as they were called."""

    def rule(body: Body) -> Iterator[str]:
        names = [tool["function"]["name"] for tool in body.get("tools") or ()]
        for message in body["messages"]:
            names += [call["function"]["name"] for call in message.get("tool_calls") or ()]
        yield from (words.format(name) for name in names if not re.fullmatch(pattern, name))

    return rule


def descriptions_within(most: int) -> Rule:
    """Refuse long descriptions of tools."""

    def rule(body: Body) -> Iterator[str]:
        for at, tool in enumerate(body.get("tools") or ()):
            if len(tool["function"].get("description", "")) > most:
                yield f"Invalid 'tools[{at}].function.description': string too long."

    return rule


def no_empty_answers(body: Body) -> Iterator[str]:
    """Refuse answers without text and calls."""
    for at, message in enumerate(body["messages"]):
        empty = not (message.get("content") or message.get("tool_calls"))
        if message["role"] == "assistant" and empty:
            yield f"the message at position {at} with role 'assistant' must not be empty"


def reasoning_returned(words: str, *, may_be_empty: bool) -> Rule:
    """Require the reasoning of every answer with calls while thinking is on."""

    def rule(body: Body) -> Iterator[str]:
        if (body.get("thinking") or {}).get("type") == "disabled":
            return
        for at, message in enumerate(body["messages"]):
            reasoning = message.get("reasoning_content")
            missing = reasoning is None if may_be_empty else not reasoning
            if message.get("tool_calls") and missing:
                yield words.format(at)

    return rule


def thought_signatures(body: Body) -> Iterator[str]:
    """Require Gemini's signature on the first call of each answer of the current turn.

    Source: https://ai.google.dev/gemini-api/docs/thought-signatures.
    """
    roles = [message["role"] for message in body["messages"]]
    turn = len(roles) - roles[::-1].index("user") if "user" in roles else 0
    for at, message in enumerate(body["messages"]):
        for place, call in enumerate(message.get("tool_calls") or ()):
            extra = call.get("extra_content") or {}
            signature = (extra.get("google") or {}).get("thought_signature")
            if signature is None:
                if at >= turn and place == 0:
                    yield f"Function call in content block {at} is missing a thought_signature"
            elif signature != SKIP_SIGNATURE and not is_sealed("gemini", signature):
                yield "Corrupted thought signature."


def reasoning_details(body: Body) -> Iterator[str]:
    """Check that reasoning which goes through OpenRouter is what it sent.

    Source: https://openrouter.ai/docs/guides/best-practices/reasoning-tokens.
    """
    for message in body["messages"]:
        details = message.get("reasoning_details")
        if message.get("reasoning") and not details:
            yield "Invalid signature in thinking block"
        for detail in details or ():
            if not is_sealed("openrouter", detail.get("signature") or ""):
                yield "Invalid signature in thinking block"


def tools_with_calls(body: Body) -> Iterator[str]:
    """Refuse a history with calls when no tools are offered.

    Source: https://github.com/BerriAI/litellm/issues/24158.
    """
    if not body.get("tools") and any(message.get("tool_calls") for message in body["messages"]):
        yield "Bedrock doesn't support tool calling without `tools=` param specified."


def of_the_model_behind(rules: Mapping[str, Sequence[Rule]]) -> Rule:
    """Apply the rules of the vendor that a gateway's model is named after.

    LiteLLM passes ids on as they are; seen with a real one.
    """

    def rule(body: Body) -> Iterator[str]:
        for behind in rules.get(body["model"].split("/")[0], ()):
            yield from behind(body)

    return rule
