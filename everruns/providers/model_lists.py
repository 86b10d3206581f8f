"""Reading a provider's list of models: which are for chat, and what the list says about them.

Only what a list says is taken. A model that declares itself to be something else than a chat model
is left out, and so is one that says nothing but has a clear name, such as ``whisper-1``.

Source: the references of OpenAI, Anthropic, Azure, Cohere, Gemini, GitHub Copilot, Groq, LM Studio,
Mistral, OpenRouter, Together and Vercel for their lists of models, and the answers of vLLM, SGLang,
llama.cpp and Ollama.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from everruns.domain.llm import (
    MAX_PRICE_USD,
    MAX_TOKENS,
    ModelCost,
    ModelLimits,
    ModelProfile,
    ProviderType,
)

MAX_LISTED_MODELS = 1000
LONGEST_NAME = 256

_OTHER_TYPES = frozenset(
    {
        "audio",
        "embedding",
        "embeddings",
        "image",
        "image_generation",
        "moderation",
        "rerank",
        "reranker",
        "speech",
        "transcribe",
        "transcription",
        "tts",
        "video",
    }
)
# Words that models have in their names for one purpose other than chat.
_OTHER_NAMES = re.compile(
    r"(?:^|[-_/.:])(?:(?:text-)?embed(?:ding|dings|der)?\d*|whisper|tts|moderation|rerank(?:er)?|"
    r"dall-?e|gpt-image|stable-diffusion|sdxl|imagen|veo|sora|transcribe|minilm|bge|colbert)"
    r"(?=$|[-_/.:\d])",
    re.IGNORECASE,
)
_VENDORS_CHAT: Mapping[str, re.Pattern[str]] = {
    "openai": re.compile(r"^(?:ft:)?(?:gpt-(?!image|audio|realtime)|chatgpt-|o\d)"),
    "anthropic": re.compile(r"^claude-"),
}
_VENDORS_OTHER = re.compile(r"instruct|audio|realtime|transcribe|tts|image|search|deep-research")

_CONTEXT_FIELDS = (
    "context_window",
    "context_length",
    "max_model_len",
    "max_context_length",
    "max_input_tokens",
    "context_size",
    "inputTokenLimit",
    "max_context_window_tokens",
    "n_ctx",
    "n_ctx_train",
)
_OUTPUT_FIELDS = (
    "max_completion_tokens",
    "max_output_tokens",
    "outputTokenLimit",
    "max_tokens",
)
_READS_IMAGES = (
    "vision",
    "supports_image_input",
    "supports_image_in",
    "supports_vision",
    "image_input",
    "multimodal",
)
_CALLS_TOOLS = (
    "function_calling",
    "tool_calls",
    "tool_use",
    "tools",
    "supports_tools",
    "supports_function_calling",
)
_REASONS = ("reasoning", "thinking", "supports_reasoning", "supports_thinking")
_STRUCTURES = ("structured_outputs", "structured_output", "json_schema")


@dataclass(frozen=True)
class ListedModel:
    """A chat model in a provider's list.

    Attributes:
        model_id: The provider's name for it.
        profile: What the list says about it; its name is the model's own if the list has none.
    """

    model_id: str
    profile: ModelProfile


def read_model_list(answer: Any) -> list[ListedModel]:
    """Return the chat models of a list in its order, each once, at most ``MAX_LISTED_MODELS``.

    Args:
        answer: The JSON value that the provider sent. Whatever has another form is passed over.
    """
    models: dict[str, ListedModel] = {}
    for entry in _entries(answer):
        model = _read(entry)
        if model is not None:
            models.setdefault(model.model_id, model)
            if len(models) == MAX_LISTED_MODELS:
                break
    return list(models.values())


def is_clearly_chat(provider_type: ProviderType, model_id: str) -> bool:
    """Tell whether a vendor's own model is one for chat, by its name."""
    pattern = _VENDORS_CHAT.get(provider_type)
    return bool(pattern and pattern.search(model_id)) and not _VENDORS_OTHER.search(model_id)


def _entries(answer: Any) -> Iterable[Mapping[str, Any]]:
    fields = _mapping(answer)
    for found in (answer, fields.get("data"), fields.get("models")):
        if isinstance(found, list) and found:
            for entry in cast("list[Any]", found):
                yield {"id": entry} if isinstance(entry, str) else _mapping(entry)
            return


def _read(entry: Mapping[str, Any]) -> ListedModel | None:
    names = (entry.get(field) for field in ("id", "model", "name", "key"))
    name = next((name for name in names if isinstance(name, str) and name), "")
    name = name.removeprefix("models/").strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        return None
    is_chat = _declares_chat(entry)
    if is_chat is False or (is_chat is None and _OTHER_NAMES.search(name)):
        return None
    return ListedModel(name, _profile(name, entry))


def _declares_chat(entry: Mapping[str, Any]) -> bool | None:
    """Return what an entry says about itself: a chat model, something else, or nothing."""
    if entry.get("active") is False:
        return False
    abilities = _mapping(entry.get("capabilities"))
    kinds = {
        str(kind).lower() for kind in (entry.get("type"), entry.get("task"), abilities.get("type"))
    }
    if kinds & _OTHER_TYPES:
        return False
    says: list[bool] = [
        chat
        for chat in (
            entry.get("supports_chat"),
            abilities.get("completion_chat"),
            abilities.get("chat_completion"),
        )
        if isinstance(chat, bool)
    ]
    written = _words(_mapping(entry.get("architecture")).get("output_modalities"))
    if written:
        says.append("text" in written)
    if methods := _words(entry.get("supportedGenerationMethods")):
        says.append("generatecontent" in methods)
    if endpoints := _words(entry.get("endpoints")):
        says.append(any("chat" in endpoint for endpoint in endpoints))
    if "chat" in kinds:
        says.append(True)
    return all(says) if says else None


def _profile(name: str, entry: Mapping[str, Any]) -> ModelProfile:
    titles = (entry.get(field) for field in ("display_name", "displayName", "name"))
    title = next((title for title in titles if isinstance(title, str) and title.strip()), name)
    return ModelProfile(
        name=title.removeprefix("models/").strip()[:LONGEST_NAME],
        attachment=_reads_images(entry),
        reasoning=_has(entry, _REASONS),
        tool_call=_has(entry, _CALLS_TOOLS),
        structured_output=_has(entry, _STRUCTURES),
        cost=_cost(_mapping(entry.get("pricing"))),
        limits=_limits(entry),
    )


def _limits(entry: Mapping[str, Any]) -> ModelLimits | None:
    abilities = _mapping(entry.get("capabilities"))
    places = (
        _mapping(entry.get("top_provider")),
        entry,
        _mapping(entry.get("limits")),
        _mapping(abilities.get("limits")),
        _mapping(entry.get("meta")),
        _mapping(entry.get("metadata")),
    )
    context = _first(_tokens(place.get(field)) for place in places for field in _CONTEXT_FIELDS)
    output = _first(_tokens(place.get(field)) for place in places for field in _OUTPUT_FIELDS)
    if context is None and output is None:
        return None
    return ModelLimits(context=context, output=output)


def _cost(pricing: Mapping[str, Any]) -> ModelCost | None:
    """Read prices, which are per token as texts, or per million tokens as numbers."""
    if "prompt" in pricing:
        names, factor = ("prompt", "completion", "input_cache_read", "input_cache_write"), 1e6
    else:
        names = ("input", "output", "input_cache_read", "input_cache_write")
        factor = 1e6 if isinstance(pricing.get("input"), str) else 1.0
    prices = [_price(pricing.get(name), factor) for name in names]
    if prices[0] is None or prices[1] is None:
        return None
    return ModelCost(input=prices[0], output=prices[1], cache_read=prices[2], cache_write=prices[3])


def _has(entry: Mapping[str, Any], names: Sequence[str]) -> bool | None:
    """Return whether a model has an ability under one of these names; ``None`` if it is not said.

    A model takes no parameters other than those it lists. Lists of capabilities are not complete:
    llama.cpp's never name tools.
    """
    abilities = _mapping(entry.get("capabilities"))
    for place in (abilities, _mapping(abilities.get("supports")), entry):
        for name in names:
            value = place.get(name)
            if isinstance(value, bool):
                return value
            # Anthropic says {"supported": true}.
            if isinstance(supported := _mapping(value).get("supported"), bool):
                return supported
    if parameters := _words(entry.get("supported_parameters")):
        return any(name in parameters for name in names)
    return any(name in _words(entry.get("capabilities")) for name in names) or None


def _reads_images(entry: Mapping[str, Any]) -> bool | None:
    read = _words(_mapping(entry.get("architecture")).get("input_modalities"))
    if read:
        return "image" in read
    if entry.get("type") == "vlm":
        return True
    return _has({**entry, "supported_parameters": None}, _READS_IMAGES)


def _words(value: Any) -> frozenset[str]:
    if not isinstance(value, list):
        return frozenset()
    words = cast("list[Any]", value)
    return frozenset(word.lower() for word in words if isinstance(word, str))


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    """Read a number, also one that is written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _tokens(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 1 <= number <= MAX_TOKENS else None


def _price(value: Any, factor: float) -> float | None:
    number = _number(value)
    if number is None or not 0 <= number * factor <= MAX_PRICE_USD:
        return None
    return round(number * factor, 6)


def _first(values: Iterable[int | None]) -> int | None:
    return next((value for value in values if value is not None), None)
