"""The dialects of Chat Completions: what servers want in a request, in one table.

Only what cannot be told from a server's answers stands here. The sources of each row, and what was
tried against it, are in docs/providers.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from everruns.providers import image_limits, tool_rules
from everruns.providers.attachments import (
    ANTHROPIC_FILES,
    NO_FILES,
    OPENAI_FILES,
    FileLimits,
)
from everruns.providers.image_limits import ANYWHERE, ImageLimits
from everruns.providers.output_rules import OPENAI_OUTPUT, USUAL_OUTPUT, OutputRules
from everruns.providers.tool_calls import USUAL_ID
from everruns.providers.tool_rules import ANY_TOOLS, ToolRules

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
Efforts = Mapping[str, Mapping[str, Any]]


def _efforts(**words: str) -> Efforts:
    """Return how efforts are asked for by a word; ``words`` replace those a server lacks."""
    return {effort: {"reasoning_effort": words.get(effort, effort)} for effort in EFFORTS}


def _switch(**levels: str) -> Efforts:
    """Return how efforts are asked for by a switch and, for servers that have it, a level."""
    enabled = {"thinking": {"type": "enabled"}}
    return {
        effort: enabled | ({"reasoning_effort": levels[effort]} if effort in levels else {})
        for effort in EFFORTS
    } | {"none": {"thinking": {"type": "disabled"}}}


@dataclass(frozen=True)
class Dialect:
    """What one kind of server wants in a request.

    Attributes:
        hosts: The ends of the names of its hosts.
        ports: The ports where people run it themselves, if the host says nothing.
        omitted: Fields of the request that it refuses.
        output_limit: Field of the limit of output tokens.
        seed: Field of the seed; ``None`` if it takes none.
        efforts: The fields by which each of our efforts is asked for.
        reasoning: Which reasoning of its own goes back: ``never``; ``turn``, that of the current
            turn; or ``always``.
        readable_reasoning: Whether the text of reasoning goes back too, or only what the server
            has signed.
        is_gateway: Whether models of many vendors answer behind it. Each is sent its own reasoning
            alone.
        unknown_reasoning: The reasoning to send with answers that have none, such as those of
            other models.
        images: Which images it takes: ``all``; ``data``, only by content; or ``none``.
        image_limits: Which of the images that it takes by content it refuses.
        file_limits: Which PDFs it takes; others go as text.
        tools: Which names and schemas of tools it takes.
        output: Which schemas of structured answers it enforces; ``None`` for none.
        call_id: The form of the ids that it gives to calls, as a regular expression. Those of
            other forms were made elsewhere.
        foreign_call: Fields to add to the first tool call of an answer by another model.
        reply_to_tools: An answer to put between tool results and a user's message, which it does
            not take in a row.
    """

    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    omitted: frozenset[str] = frozenset()
    output_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    seed: str | None = "seed"
    efforts: Efforts = field(default_factory=_efforts)
    reasoning: Literal["never", "turn", "always"] = "turn"
    readable_reasoning: bool = True
    is_gateway: bool = False
    unknown_reasoning: str | None = None
    images: Literal["all", "data", "none"] = "all"
    image_limits: ImageLimits = ANYWHERE
    file_limits: FileLimits = NO_FILES
    tools: ToolRules = ANY_TOOLS
    output: OutputRules | None = USUAL_OUTPUT
    call_id: str = USUAL_ID
    foreign_call: Mapping[str, Any] | None = None
    reply_to_tools: str | None = None


DEFAULT = "compatible"

# LiteLLM hides Gemini's signatures in ids.
_ANY_ID = r"[!-~]{1,256}"

# Source: https://community.openai.com/t/string-too-long-tool-call-id/1085379.
_FORTY = r"[a-zA-Z0-9_.:-]{1,40}"
_PLAIN_ID = r"[a-zA-Z0-9_-]{1,64}"

# For servers that know three words, or two.
_THREE = _efforts(none="low", minimal="low", xhigh="high")
_TWO = _efforts(minimal="none", low="none", medium="high", xhigh="high")

DIALECTS: dict[str, Dialect] = {
    DEFAULT: Dialect(),
    "openai": Dialect(
        hosts=("api.openai.com",),
        output_limit="max_completion_tokens",
        reasoning="never",
        call_id=_FORTY,
        image_limits=image_limits.OPENAI,
        file_limits=OPENAI_FILES,
        tools=tool_rules.OPENAI_TOOLS,
        output=OPENAI_OUTPUT,
    ),
    "azure": Dialect(
        hosts=("openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"),
        output_limit="max_completion_tokens",
        reasoning="never",
        call_id=_FORTY,
        image_limits=image_limits.OPENAI,
        tools=tool_rules.OPENAI_TOOLS,
        output=OPENAI_OUTPUT,
    ),
    "gemini": Dialect(
        hosts=("generativelanguage.googleapis.com", "aiplatform.googleapis.com"),
        omitted=frozenset({"parallel_tool_calls"}),
        seed=None,
        efforts=_efforts(xhigh="high"),
        reasoning="always",
        readable_reasoning=False,
        foreign_call={
            "extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}
        },
        image_limits=image_limits.GEMINI,
        tools=tool_rules.GEMINI_TOOLS,
    ),
    "mistral": Dialect(
        hosts=("api.mistral.ai", "codestral.mistral.ai"),
        omitted=frozenset({"stream_options"}),
        seed="random_seed",
        efforts=_TWO,
        reasoning="never",
        call_id=r"[a-zA-Z0-9]{9}",
        reply_to_tools="OK",
        image_limits=image_limits.MISTRAL,
    ),
    "deepseek": Dialect(
        hosts=("api.deepseek.com",),
        efforts=_switch(minimal="low", low="low", medium="high", high="high", xhigh="max"),
        reasoning="always",
        unknown_reasoning="",
        images="none",
        output=None,
    ),
    "moonshot": Dialect(
        hosts=("api.moonshot.ai", "api.moonshot.cn"),
        seed=None,
        efforts=_switch(),
        reasoning="always",
        unknown_reasoning=" ",
        images="data",
        image_limits=image_limits.MOONSHOT,
        tools=tool_rules.MOONSHOT_TOOLS,
    ),
    "xai": Dialect(
        hosts=("api.x.ai",),
        output_limit="max_completion_tokens",
        efforts=_THREE,
        reasoning="never",
        image_limits=image_limits.PNG_AND_JPEG,
    ),
    "groq": Dialect(
        hosts=("api.groq.com",),
        output_limit="max_completion_tokens",
        efforts=_THREE,
        reasoning="never",
        image_limits=image_limits.GROQ,
    ),
    "together": Dialect(hosts=("api.together.xyz", "api.together.ai"), efforts=_THREE),
    "fireworks": Dialect(
        hosts=("api.fireworks.ai",), efforts=_THREE, image_limits=image_limits.FIREWORKS
    ),
    "openrouter": Dialect(
        hosts=("openrouter.ai",),
        efforts={effort: {"reasoning": {"effort": effort}} for effort in EFFORTS},
        reasoning="always",
        readable_reasoning=False,
        is_gateway=True,
        image_limits=image_limits.ANTHROPIC,
        file_limits=ANTHROPIC_FILES,
        tools=tool_rules.GATEWAY_TOOLS,
    ),
    "bedrock": Dialect(
        hosts=("amazonaws.com", "api.aws"),
        efforts=_THREE,
        reasoning="never",
        image_limits=image_limits.BEDROCK,
        tools=tool_rules.GATEWAY_TOOLS,
        call_id=_PLAIN_ID,
    ),
    "litellm": Dialect(
        ports=(4000,),
        reasoning="always",
        is_gateway=True,
        call_id=_ANY_ID,
        image_limits=image_limits.ANTHROPIC,
        tools=tool_rules.GATEWAY_TOOLS,
    ),
    "vllm": Dialect(ports=(8000,)),
    "sglang": Dialect(ports=(30000,)),
    "llama.cpp": Dialect(ports=(8080,), image_limits=image_limits.WITHOUT_WEBP),
    "ollama": Dialect(
        hosts=("ollama.com",), ports=(11434,), images="data", image_limits=image_limits.WITHOUT_GIF
    ),
    "lmstudio": Dialect(ports=(1234,), image_limits=image_limits.WITHOUT_GIF),
}


def dialect_at(base_url: str) -> str:
    """Return the name of the dialect that is spoken at an address."""
    address = urlsplit(base_url)
    host = address.hostname or ""
    try:
        port = address.port
    except ValueError:
        port = None
    for name, dialect in DIALECTS.items():
        if any(host == known or host.endswith(f".{known}") for known in dialect.hosts):
            return name
    # Vertex AI has one host for each region: REGION-aiplatform.googleapis.com.
    if host.endswith("-aiplatform.googleapis.com"):
        return "gemini"
    return next((name for name, dialect in DIALECTS.items() if port in dialect.ports), DEFAULT)
