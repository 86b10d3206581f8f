"""One table from providers' error codes and statuses to our failures.

Source: docs/contract.md, "Turns"; https://platform.openai.com/docs/guides/error-codes;
https://platform.claude.com/docs/en/api/errors.
"""

import re
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, cast

from pydantic import SecretStr

from everruns.errors import (
    ContextTooLong,
    ModelFailure,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from everruns.providers.masking import masked

LONGEST_RETRY_AFTER_S = 3600.0
MAX_QUOTE_CHARACTERS = 500
MAX_READ_CHARACTERS = 4 * MAX_QUOTE_CHARACTERS

_ADVICE: dict[type[ModelFailure], str] = {
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

# Errors within a stream have no status, only the provider's code.
_BY_WORD: dict[str, type[ModelFailure]] = {
    "authentication_error": ProviderUnauthorized,
    "invalid_api_key": ProviderUnauthorized,
    "permission_error": ProviderUnauthorized,
    "rate_limit_error": ProviderRateLimited,
    "rate_limit_exceeded": ProviderRateLimited,
    "invalid_request_error": ProviderRejected,
    "not_found_error": ProviderRejected,
    "request_too_large": ContextTooLong,
}

# These codes are more specific than their status.
_TELLING_WORDS: dict[str, type[ModelFailure]] = {
    "context_length_exceeded": ContextTooLong,
    "exceed_context_size_error": ContextTooLong,
    "insufficient_quota": ProviderRejected,
    "billing_error": ProviderRejected,
}
_TOO_LONG = re.compile(
    r"prompt is too long|maximum context length|exceeds? the (available )?context|"
    r"input length and `max_tokens` exceed"
)
# An error of a model API has one of these besides its message. Other services that may answer at
# a base_url, such as one in the server's own network, are not quoted.
_MARKS_OF_AN_ERROR = ("type", "code")


def failure_of(
    provider: str,
    error: Any,
    status: int | None = None,
    retry_after_s: float | None = None,
    api_key: SecretStr | None = None,
    secrets: Sequence[SecretStr] = (),
) -> ModelFailure:
    """Translate a provider's error. It is quoted if it has the form of a model API's errors.

    Args:
        provider: The provider's name.
        error: The ``error`` value it sent, in whatever form.
        status: The HTTP status, unless the error came within a stream.
        retry_after_s: The delay that it asks for, in seconds.
        api_key: The key to mask, since some providers quote it.
        secrets: What else to mask.
    """
    fields = cast("dict[str, Any]", error) if isinstance(error, dict) else {"message": error}
    words = [str(fields.get(name)) for name in ("code", "type")]
    text = " ".join(str(fields.get("message") or "")[:MAX_READ_CHARACTERS].split())
    if status is None and isinstance(fields.get("code"), int):
        status = fields["code"]
    kind = _kind(status, words, text)
    said = f" ({status})" if status else ""
    is_quotable = isinstance(fields.get("message"), str) and any(
        mark in fields for mark in _MARKS_OF_AN_ERROR
    )
    quote = (
        _quote(text, (api_key, *secrets))
        if is_quotable and kind is not ProviderUnauthorized
        else ""
    )
    message = f"Provider {provider} answered with an error{said}{quote}. {_ADVICE[kind]}"
    return kind(message, None, retry_after_s)


def unavailable(provider: str, what: str) -> ProviderUnavailable:
    """Return the failure of a provider that is temporarily unavailable, with the cause."""
    return ProviderUnavailable(f"Provider {provider} {what}. {_ADVICE[ProviderUnavailable]}")


def read_retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Parse a provider's ``Retry-After``, in seconds of at most an hour.

    Source: RFC 9110, section 10.2.3: seconds or a date.
    """
    text = headers.get("retry-after", "")
    if re.fullmatch(r"\d{1,9}(\.\d*)?", text):
        wait_s = float(text)
    else:
        try:
            wait_s = parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(wait_s, 0.0), LONGEST_RETRY_AFTER_S)


def _kind(status: int | None, words: list[str], text: str) -> type[ModelFailure]:
    for word in words:
        if word in _TELLING_WORDS:
            return _TELLING_WORDS[word]
    if _TOO_LONG.search(text.lower()) and status in {None, 400, 413, 422}:
        return ContextTooLong
    if status is not None:
        unlisted = ProviderUnavailable if status >= 500 else ProviderRejected
        return _BY_STATUS.get(status, unlisted)
    return next((_BY_WORD[word] for word in words if word in _BY_WORD), ProviderUnavailable)


def _quote(text: str, secrets: Sequence[SecretStr | None]) -> str:
    text = masked(text, *secrets)[:MAX_QUOTE_CHARACTERS].rstrip(".")
    return f": {text}" if text else ""
