"""One table from providers' error codes, statuses and words to our failures.

Source: docs/contract.md, "Turns"; https://platform.openai.com/docs/guides/error-codes;
https://platform.claude.com/docs/en/api/errors; https://cloud.google.com/apis/design/errors.
"""

import re
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import SecretStr

from everruns.providers.error_bodies import json_in, reason_in, retry_after_in, status_in, words_in
from everruns.providers.masking import masked
from everruns.turn_failures import (
    ContextTooLong,
    ModelFailure,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)

LONGEST_RETRY_AFTER_S = 3600.0
MAX_QUOTE_CHARACTERS = 500
MAX_READ_CHARACTERS = 4 * MAX_QUOTE_CHARACTERS

_ADVICE: dict[type[ModelFailure], str] = {
    ModelFailure: "Check the provider's base_url, and that a model server answers there.",
    ProviderUnauthorized: "Check the provider's api_key and its permissions.",
    ProviderRateLimited: "Try again later, or raise the account's limits.",
    ProviderUnavailable: "Try again; if it persists, check the provider's status and base_url.",
    ProviderRejected: "Check the model's name, its settings and the provider's base_url.",
    ContextTooLong: "Start a new session, or use a model with a larger context.",
}

_BY_STATUS: dict[int, type[ModelFailure]] = {
    401: ProviderUnauthorized,
    403: ProviderUnauthorized,
    408: ProviderUnavailable,
    409: ProviderUnavailable,
    413: ContextTooLong,
    425: ProviderUnavailable,
    429: ProviderRateLimited,
}

# What a response fails with if the provider does not take what it was sent.
# Source: https://platform.openai.com/docs/api-reference/responses/object, ``error.code``.
_REFUSED_INPUTS = (
    *("invalid_image", "invalid_image_format", "invalid_image_mode", "invalid_image_url"),
    *("invalid_base64_image", "empty_image_file", "image_too_large", "image_too_small"),
    *("image_file_too_large", "image_file_not_found", "image_parse_error"),
    *("image_content_policy_violation", "unsupported_image_media_type"),
    *("failed_to_download_image", "data_residency_mismatch", "bio_policy"),
)

# Errors within a stream have no status, only the provider's code.
_BY_WORD: dict[str, type[ModelFailure]] = {
    "authentication_error": ProviderUnauthorized,
    "invalid_api_key": ProviderUnauthorized,
    "permission_error": ProviderUnauthorized,
    "permission_denied": ProviderUnauthorized,
    "unauthenticated": ProviderUnauthorized,
    "rate_limit_error": ProviderRateLimited,
    "rate_limit_exceeded": ProviderRateLimited,
    "resource_exhausted": ProviderRateLimited,
    "too_many_requests": ProviderRateLimited,
    "invalid_request_error": ProviderRejected,
    "invalid_argument": ProviderRejected,
    "invalid_prompt": ProviderRejected,
    "failed_precondition": ProviderRejected,
    "badrequesterror": ProviderRejected,
    "not_found_error": ProviderRejected,
    "not_found": ProviderRejected,
    "model_not_found": ProviderRejected,
    "request_too_large": ContextTooLong,
    **dict.fromkeys(_REFUSED_INPUTS, ProviderRejected),
}

_UNPAID = ("insufficient_quota", "exceeded_current_quota_error", "billing_error")

# These codes are more specific than their status.
_TELLING_WORDS: dict[str, type[ModelFailure]] = {
    "context_length_exceeded": ContextTooLong,
    "exceed_context_size_error": ContextTooLong,
    "contextwindowexceedederror": ContextTooLong,
    **dict.fromkeys(_UNPAID, ProviderRejected),
}

# How vendors and servers say that a conversation is too long; few have a code for it.
_TOO_LONG = re.compile(
    "|".join(
        (
            # OpenAI, Anthropic, OpenRouter, DeepSeek, xAI, Mistral, vLLM
            r"maximum (context|prompt|model|sequence) length",
            r"(prompt|input|message|conversation|context)s?( \(.*?\))? (is |are )?too (long|large)",
            r"(too (long|large)|longer) for (the |this )?(requested )?model",
            r"max_tokens must be at least 1, got -",
            r"too large for model with",
            r"reduce (the length of the|your) (messages|message size|input|prompt)",
            r"input length and `?max_tokens`? exceed",
            r"input tokens exceed",
            # llama.cpp, OpenAI's Responses, Ollama, LM Studio
            r"(exceeds?|exceeded|overflows?|more than)[^.]{0,40} context",
            r"context (shift is disabled|overflow)|space in the kv cache",
            r"context (length|window|size)[^.]{0,20} exceed",
            r"(longer|greater) than the (model's )?(maximum )?(context|model) length",
            r"context the overflows|context length of only",
            r"tokens to keep from the initial prompt",
            # Gemini, SGLang, Copilot, TensorRT-LLM, Zhipu, TabbyAPI
            r"exceeds the maximum (number of tokens|allowed (input )?length)",
            r"tokens? count[^.]{0,40} exceeds|tokens in the prompt exceeds?",
            r"exceeds? (the )?max(imum)? (input |prompt |sequence )?(length|tokens? limit)",
            r"greater than max_seq_len|token limit exceeded|more than max tokens allowed",
            # LiteLLM
            r"contextwindowexceeded",
            # Moonshot, Together, text-generation-inference, Alibaba, Cohere
            r"exceeded model token limit|model max length exceeded",
            r"max_new_tokens. must be <=|`inputs` must have less than",
            r"range of input length should be",
            r"too many (input )?tokens",
        )
    )
)
# Gemini and xAI refuse a key with 400.
_BAD_KEY = re.compile(
    r"(invalid|incorrect|missing|expired|wrong) api[ _-]?key|"
    r"api[ _-]?key( \w+)? (is |was |has )?(not valid|invalid|incorrect|missing|expired|not found)|"
    r"carry the api secret key"
)
_NO_CREDIT = re.compile(
    r"insufficient (balance|credit|quota|funds)|credit balance is too low|out of credits|"
    r"used all available credits|requires more credits|check your plan and billing"
)
# Servers of one's own answer an image that they cannot read with 500.
_NO_IMAGES = re.compile(r"\bimages?\b|mmproj|multimodal|\bvision\b")
# What is meant by such words: with these statuses (``None`` within a stream), or with any.
_BY_REASON: tuple[tuple[re.Pattern[str], Sequence[int | None] | None, type[ModelFailure]], ...] = (
    (_TOO_LONG, (None, 400, 413, 422, 500), ContextTooLong),
    (_NO_CREDIT, None, ProviderRejected),
    (_BAD_KEY, (None, 400), ProviderUnauthorized),
    (_NO_IMAGES, (None, 500), ProviderRejected),
)


def failure_of(
    provider: str,
    error: Any,
    status: int | None = None,
    retry_after_s: float | None = None,
    api_key: SecretStr | None = None,
    secrets: Sequence[SecretStr] = (),
) -> ModelFailure:
    """Translate a provider's error, and quote what it says.

    Args:
        provider: The provider's name.
        error: What it sent, in whatever form (see ``everruns.providers.error_bodies``).
        status: The HTTP status, unless the error came within a stream.
        retry_after_s: The delay that its headers ask for, in seconds.
        api_key: The key to mask, since some providers quote it.
        secrets: What else to mask.
    """
    reason = (reason_in(error) or json_in(error))[:MAX_READ_CHARACTERS]
    status = status or status_in(error)
    if retry_after_s is None and (asked_s := retry_after_in(error)) is not None:
        retry_after_s = min(asked_s, LONGEST_RETRY_AFTER_S)
    words = [word.lower() for word in words_in(error)]
    kind = _kind(status, words, reason.lower())
    # Gemini words a limit of the minute like an empty account.
    if status == 429 and kind is ProviderRejected and retry_after_s is not None:
        kind = ProviderRateLimited
    said = f" ({status})" if status else ""
    quote = _quote(reason, (api_key, *secrets))
    advice = _ADVICE[kind]
    if kind is ProviderRejected and _is_unpaid(status, words, reason.lower()):
        advice = "Check the account's credit and its limits."
    message = f"Provider {provider} answered with an error{said}{quote}. {advice}"
    failure = kind(message, None, retry_after_s)
    failure.reason = quote.removeprefix(": ")
    return failure


def unavailable(provider: str, what: str) -> ProviderUnavailable:
    """Return the failure of a provider that is temporarily unavailable, with the cause."""
    return ProviderUnavailable(f"Provider {provider} {what}. {_ADVICE[ProviderUnavailable]}")


def malformed(provider: str, what: str) -> ModelFailure:
    """Return the failure of a provider whose answer makes no sense, and will not the next time."""
    return ModelFailure(f"Provider {provider} {what}. {_ADVICE[ModelFailure]}")


def read_retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Parse a provider's ``Retry-After``, in seconds of at most an hour.

    Source: RFC 9110, section 10.2.3: seconds or a date. ``retry-after-ms`` is OpenAI's.
    """
    if re.fullmatch(r"\d{1,9}", milliseconds := headers.get("retry-after-ms", "")):
        return min(int(milliseconds) / 1000, LONGEST_RETRY_AFTER_S)
    text = headers.get("retry-after", "")
    if re.fullmatch(r"\d{1,9}(\.\d*)?", text):
        wait_s = float(text)
    else:
        try:
            wait_s = parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(wait_s, 0.0), LONGEST_RETRY_AFTER_S)


def _kind(status: int | None, words: list[str], reason: str) -> type[ModelFailure]:
    for word in words:
        if word in _TELLING_WORDS:
            return _TELLING_WORDS[word]
    for pattern, statuses, kind in _BY_REASON:
        if (statuses is None or status in statuses) and pattern.search(reason):
            return kind
    named = next((_BY_WORD[word] for word in words if word in _BY_WORD), None)
    if status is None:
        return named or ProviderUnavailable
    unlisted = ProviderUnavailable if status >= 500 else ProviderRejected
    return _BY_STATUS.get(status, unlisted)


def _is_unpaid(status: int | None, words: Sequence[str], reason: str) -> bool:
    has_code = any(word in _UNPAID for word in words)
    return status == 402 or has_code or _NO_CREDIT.search(reason) is not None


def _quote(reason: str, secrets: Sequence[SecretStr | None]) -> str:
    text = masked(reason, *secrets)[:MAX_QUOTE_CHARACTERS].rstrip(". ")
    return f": {text}" if text else ""
