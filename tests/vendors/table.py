"""The vendors and what each of them refuses. Each rule names its source."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from tests.recorded_streams import WireName
from tests.vendors import chat_rules as chat
from tests.vendors import messages_rules, responses_rules
from tests.vendors.answers import Speech, chat_answer, messages_answer, responses_answer
from tests.vendors.image_rules import ANTHROPIC, MB, OPENAI, ImageRule
from tests.vendors.schemas import schema_problems
from tests.vendors.tool_rules import flat_root, geminis, property_names

Body = dict[str, Any]


@dataclass(frozen=True)
class Vendor:
    """A vendor's strict fake.

    Attributes:
        wire: Its protocol.
        model: A model of its, by its name for it.
        rules: What it refuses besides what its protocol does.
        speech: How its answers look.
        refusal: The body of its error, from the words.
        refusal_status: The HTTP status of its error.
    """

    wire: WireName
    model: str
    rules: Sequence[chat.Rule] = ()
    speech: Speech = field(default_factory=Speech)
    refusal: Callable[[str], Any] = lambda words: {
        "error": {"message": words, "type": "invalid_request_error", "param": None, "code": None}
    }
    refusal_status: int = 400


PROTOCOL_RULES: Mapping[WireName, Sequence[chat.Rule]] = MappingProxyType(
    {
        "chat": (chat.well_formed, chat.paired, chat.last_from_outside),
        "messages": (messages_rules.problems,),
        "responses": (responses_rules.problems,),
    }
)
ANSWERS: Mapping[WireName, Callable[[str, Speech, Body], Iterator[bytes]]] = MappingProxyType(
    {"chat": chat_answer, "messages": messages_answer, "responses": responses_answer}
)

# Source: https://docs.x.ai/developers/model-capabilities/images/understanding,
# https://github.com/ollama/ollama (openai/openai.go), https://lmstudio.ai/docs,
# https://docs.fireworks.ai/guides/querying-vision-language-models, and stb_image, by which
# llama.cpp reads them.
_PNG_AND_JPEG = frozenset({"image/png", "image/jpeg"})
# Source: the Converse API of Bedrock, ImageBlock.
_BEDROCK_IMAGES = ImageRule(side=8000, count=20, size=5 * MB)
# Source: Anthropic's rules for the models that answer behind gateways.
_CLAUDE_BEHIND = (
    chat.images(ANTHROPIC),
    chat.schemas_checked(flat_root),
    chat.schemas_checked(property_names),
)

# Source: https://platform.openai.com/docs/guides/pdf-files,
# https://openrouter.ai/docs/guides/overview/multimodal/pdfs.
TAKE_FILES = ("openai", "openrouter")

_GROQ_WORDS = "property '{}' is unsupported"
_MISTRAL_WORDS = "{}: Extra inputs are not permitted"
_GEMINI_WORDS = 'Invalid JSON payload received. Unknown name "{}": Cannot find field.'

# Source: mistral-common, protocol/instruct/validator.py.
_NINE_LETTERS = chat.call_ids(
    r"[a-zA-Z0-9]{9}", "Tool call id was {} but must be a-z, A-Z, 0-9, with a length of 9."
)

# Source: https://github.com/getsentry/sentry-mcp/issues/106 (descriptions).
_OPENAI_LIMITS = (
    chat.images(OPENAI),
    chat.schemas_checked(flat_root),
    chat.descriptions_within(1024),
)

VENDORS: dict[str, Vendor] = {
    "openai": Vendor(
        "chat",
        "gpt-5-mini",
        (
            chat.fields_within(),
            *_OPENAI_LIMITS,
            # Source: https://community.openai.com/t/string-too-long-tool-call-id/1085379.
            chat.call_ids(r".{1,40}", "Invalid 'tool_calls[0].id': string too long: {}"),
        ),
    ),
    "azure": Vendor("chat", "my-deployment", (chat.fields_within(), *_OPENAI_LIMITS)),
    "openai-responses": Vendor("responses", "gpt-5.5"),
    "anthropic": Vendor(
        "messages",
        "claude-sonnet-4-5",
        refusal=lambda words: {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": words},
        },
    ),
    "gemini": Vendor(
        "chat",
        "gemini-3-flash-preview",
        (
            # Source: https://github.com/Vali-98/ChatterUI/issues/227,
            # https://github.com/jackmpcollins/magentic/pull/382.
            chat.fields_within(
                chat.FIELDS - {"seed", "frequency_penalty", "logit_bias", "parallel_tool_calls"}
                | {"extra_body"},
                _GEMINI_WORDS,
                assistant={"extra_content"},
            ),
            chat.thought_signatures,
            # Source: https://github.com/googleapis/python-genai/issues/867.
            chat.no_schema_with_tools,
            # Source: https://ai.google.dev/gemini-api/docs/image-understanding.
            chat.images(
                ImageRule(_PNG_AND_JPEG | {"image/webp", "image/heic", "image/heif"}, total=20 * MB)
            ),
            chat.names_within(
                r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}",
                "Invalid function name {}. Must start with a letter or an underscore.",
            ),
            chat.schemas_checked(geminis),
        ),
        Speech(call_id="", has_index=False, signs_calls=True, says_tool_calls=False),
        refusal=lambda words: [
            {"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}}
        ],
    ),
    "mistral": Vendor(
        "chat",
        "mistral-medium-latest",
        (
            # Source: https://github.com/editor-code-assistant/eca/issues/231 (the limit's name),
            # https://github.com/charmbracelet/crush/issues/1590 (reasoning),
            # https://docs.mistral.ai/api (random_seed).
            chat.fields_within(
                chat.FIELDS
                - {"seed", "max_completion_tokens", "stream_options", "user", "store", "logprobs"}
                | {"random_seed", "safe_prompt"},
                _MISTRAL_WORDS,
                assistant={"prefix"},
                tool={"name"},
            ),
            _NINE_LETTERS,
            # Source: https://docs.mistral.ai/capabilities/vision.
            chat.images(ImageRule(count=8, size=10 * MB)),
            # Source: pydantic-ai, models/mistral.py, which still avoids it.
            chat.not_in_a_row(("tool", "user"), words="Unexpected role '{}' after role '{}'"),
        ),
        Speech(reasoning="parts", call_id="m{:08d}", whole_calls=True),
        refusal=lambda words: {
            "object": "error",
            "message": {"detail": [{"type": "extra_forbidden", "msg": words}]},
            "type": "invalid_request_error",
        },
        refusal_status=422,
    ),
    "deepseek": Vendor(
        "chat",
        "deepseek-v4-pro",
        (
            # Source: https://api-docs.deepseek.com/guides/thinking_mode, "tool calls".
            chat.reasoning_returned(
                "The `reasoning_content` in the thinking mode must be passed back to the API. ({})",
                may_be_empty=True,
            ),
            chat.images_within((), "unknown variant `image_url`, expected `text`"),
            # Source: https://api-docs.deepseek.com/guides/json_mode.
            chat.no_schema,
        ),
        Speech(reasoning="reasoning_content", call_id="call_00_{}"),
    ),
    "moonshot": Vendor(
        "chat",
        "kimi-k2.6",
        (
            # Source: https://github.com/anomalyco/opencode/issues/25758; LiteLLM, llms/moonshot.
            chat.reasoning_returned(
                "thinking is enabled but reasoning_content is missing in assistant tool call "
                "message at index {}",
                may_be_empty=False,
            ),
            chat.no_empty_answers,
            chat.no_blank_texts,
            # Source: https://github.com/openclaw/openclaw/issues/113130.
            chat.schemas_checked(flat_root),
            # Source: its error "function name is invalid, must start with a letter".
            chat.names_within(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}", "function name is invalid: {}"),
            chat.images(ImageRule(total=100 * MB)),
            # It fetches no URLs. Source: vercel/ai, packages/moonshotai.
            chat.images_within(("data:", "ms://"), "unsupported image url"),
        ),
        Speech(reasoning="reasoning_content", call_id="functions.multiply:{}"),
    ),
    "xai": Vendor(
        "chat",
        "grok-4.3",
        (
            # Source: https://docs.x.ai/developers/model-capabilities/text/reasoning.
            chat.without(
                "Argument not supported on this model: {}",
                *("stop", "presence_penalty", "frequency_penalty"),
            ),
            chat.images(ImageRule(_PNG_AND_JPEG)),
        ),
        Speech(reasoning="reasoning_content", whole_calls=True),
        refusal=lambda words: {"code": "Client specified an invalid argument", "error": words},
    ),
    "groq": Vendor(
        "chat",
        "qwen/qwen3-32b",
        (
            # Source: https://console.groq.com/docs/openai, https://github.com/janhq/jan/issues/8136.
            chat.fields_within(
                chat.FIELDS - {"logprobs", "top_logprobs", "logit_bias"}
                | {"reasoning_format", "include_reasoning"},
                _GROQ_WORDS,
            ),
            chat.without(_GROQ_WORDS, "name"),
            # Source: https://console.groq.com/docs/vision.
            chat.images(ImageRule(count=5, total=4 * MB)),
        ),
        Speech(reasoning="reasoning", call_id="tk{:07d}"),
    ),
    "openrouter": Vendor(
        "chat",
        "anthropic/claude-sonnet-4.5",
        (chat.reasoning_details, *_CLAUDE_BEHIND),
        Speech(reasoning="reasoning_details", call_id="toolu_vrtx_{}"),
    ),
    "together": Vendor(
        "chat",
        "moonshotai/Kimi-K2-Thinking",
        (chat.images(ImageRule()),),
        Speech(reasoning="reasoning"),
    ),
    "fireworks": Vendor(
        "chat",
        "accounts/fireworks/models/glm-5",
        (chat.images(ImageRule(_PNG_AND_JPEG | {"image/gif"}, count=30)),),
        Speech(reasoning="reasoning_content"),
    ),
    "bedrock": Vendor(
        "chat",
        "us.anthropic.claude-sonnet-4-20250514-v1:0",
        # Source: bedrock-access-gateway, src/api/schema.py and the Converse API's toolUseId.
        (
            chat.call_ids(r"[a-zA-Z0-9_-]{1,64}", "toolUseId {} failed to satisfy constraint"),
            chat.no_blank_texts,
            # Source: https://github.com/aws-samples/bedrock-access-gateway/pull/239.
            chat.tools_with_calls,
            chat.images(_BEDROCK_IMAGES),
            *_CLAUDE_BEHIND,
        ),
        Speech(call_id="tooluse_{}"),
    ),
    "litellm": Vendor(
        "chat",
        "anthropic/claude-sonnet-4-5",
        (
            chat.tools_with_calls,
            chat.no_blank_texts,
            *_CLAUDE_BEHIND,
            chat.of_the_model_behind({"mistral": (_NINE_LETTERS,)}),
        ),
        Speech(reasoning="reasoning_content", call_id="toolu_{}"),
    ),
    "vllm": Vendor(
        "chat",
        "mistralai/Mistral-7B-Instruct-v0.3",
        # Source: https://github.com/vllm-project/vllm/issues/6862.
        (
            chat.not_in_a_row(
                ("user", "user"),
                ("assistant", "assistant"),
                words="Conversation roles must alternate user/assistant ({}, {})",
            ),
            chat.no_blank_texts,
            chat.images(ImageRule()),
        ),
        Speech(reasoning="reasoning", call_id="chatcmpl-tool-{}"),
    ),
    "sglang": Vendor("chat", "zai-org/GLM-4.6", (), Speech(reasoning="reasoning_content")),
    "lmstudio": Vendor(
        "chat",
        "qwen2.5-7b-instruct",
        (chat.images(ImageRule(_PNG_AND_JPEG | {"image/webp"})),),
        Speech(call_id="{:09d}"),
    ),
    "ollama": Vendor(
        "chat",
        "qwen3-vl",
        # Source: ollama, openai/openai.go.
        (
            chat.images(ImageRule(_PNG_AND_JPEG | {"image/webp"})),
            chat.images_within(
                [f"data:image/{kind};base64," for kind in ("jpeg", "jpg", "png", "webp")],
                "image URLs are not currently supported, please use base64 encoded data instead",
            ),
        ),
        Speech(reasoning="reasoning", whole_calls=True),
    ),
    "llama.cpp": Vendor(
        "chat",
        "qwen3-4b.gguf",
        # Source: https://github.com/modelship-ai/modelship/pull/71.
        (chat.images(ImageRule(_PNG_AND_JPEG | {"image/gif"})), chat.no_schema_with_tools),
        Speech(reasoning="reasoning_content", call_id="hP1bJ7sUe2QmVt5RkZa{}"),
    ),
}


def problem(vendor: str, body: Body) -> str | None:
    """Return why a vendor would refuse a request, in its words; ``None`` if it would not."""
    return next(problems(vendor, body), None)


def problems(vendor: str, body: Body) -> Iterator[str]:
    """Yield all for which a vendor would refuse a request, in its words."""
    spoken = VENDORS[vendor]
    of_files = chat.files if vendor in TAKE_FILES else chat.without_files
    of_protocol = [*PROTOCOL_RULES[spoken.wire], *([of_files] if spoken.wire == "chat" else [])]
    for rule in (*of_protocol, *spoken.rules):
        yield from rule(body)


def all_problems(vendor: str, body: Body) -> list[str]:
    """Return what a vendor would refuse, and where the body is not of its SDK's type."""
    return [*problems(vendor, body), *schema_problems(VENDORS[vendor].wire, vendor, body)]
