"""Reading providers' errors, whose forms differ from server to server.

Every value here is data of any shape: a lookup that fails finds nothing, and nothing is raised.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import orjson

MAX_DEPTH = 10
MAX_ITEMS = 3
MAX_READ_CHARACTERS = 4096

# The last two are a gateway's copy of what the model's own server said.
_REASONS = (
    *("message", "msg", "error_message", "error_msg", "errorMessage", "detail", "details"),
    *("error", "errors", "reason", "description", "error_description", "title"),
    *("base_resp", "status_msg", "Response", "Error", "Message", "Errors", "fault", "faultstring"),
    *("metadata", "raw"),
)
_WORDS = ("code", "type", "status", "error_code", "errorCode", "Code", "status_code")
# What gateways say while a request waits.
_PROGRESS = frozenset({"queued", "pending", "processing", "in_progress", "ping", "heartbeat"})
_ANSWERS = ("choices", "content", "output", "delta", "response", "data")
_TITLE = re.compile(r"<(title|h1|message)[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_MARKUP = re.compile(r"<!doctype|<html|<\?xml", re.IGNORECASE)
_TRY_AGAIN = re.compile(
    r"(?:try again|retry)(?: after| in)? (?:(\d{1,4})m)?(\d{1,6}(?:\.\d+)?)(ms|s)\b", re.IGNORECASE
)
_DURATION = re.compile(r"(\d{1,6}(?:\.\d+)?)s")


def error_in(answer: Any) -> Any:
    """Return the error that a body or a stream's event consists of, or ``None``.

    Args:
        answer: A JSON value: ``{"error": …}``, ``{"object": "error", …}``, ``{"detail": …}``,
            ``{"error_message": …}``, ``{"message", "code"}``, or a list with one of these.
    """
    if isinstance(answer, list):
        items = cast("list[Any]", answer)
        return next((error for item in items[:MAX_ITEMS] if (error := error_in(item))), None)
    if not isinstance(answer, dict):
        return None
    fields = cast("dict[str, Any]", answer)
    if fields.get("error") or "error" in (fields.get("object"), fields.get("type")):
        return fields
    if any(fields.get(name) for name in _ANSWERS):
        return None
    names = ("error_message", "error_msg", "errorMessage", "errors", "detail", "Message")
    if any(fields.get(name) for name in names) or _has_inner_error(fields):
        return fields
    says = fields.get("message") and any(name in fields for name in _WORDS)
    states = {str(fields.get(name)) for name in ("status", "type")}
    return fields if says and not _PROGRESS & states else None


def _has_inner_error(fields: Mapping[str, Any]) -> bool:
    """Tell of an error of MiniMax, which says in each answer how it went, or of Tencent."""
    for name, tells in (("base_resp", "status_code"), ("Response", "Error")):
        inner = fields.get(name)
        if isinstance(inner, dict) and cast("Mapping[str, Any]", inner).get(tells):
            return True
    return False


def reason_in(error: Any) -> str:
    """Return what an error says, on one line; empty if it says nothing."""
    return " ".join("; ".join(dict.fromkeys(_reasons(error, MAX_DEPTH))).split())


def json_in(error: Any) -> str:
    """Return an error without a known field for its reason as it came, as JSON."""
    if not isinstance(error, dict) or not error:
        return ""
    try:
        return orjson.dumps(error).decode()
    except TypeError:  # nested too deeply
        return ""


def words_in(error: Any) -> list[str]:
    """Return the words by which an error can be told: its codes, types and statuses."""
    return list(_words(error, MAX_DEPTH))


def status_in(error: Any) -> int | None:
    """Return the HTTP status that an error within a stream names."""
    return next((int(word) for word in words_in(error) if re.fullmatch("[45][0-9]{2}", word)), None)


def retry_after_in(error: Any) -> float | None:
    """Return the delay in seconds that an error asks for.

    Source: https://cloud.google.com/apis/design/errors (``RetryInfo``), and the words of OpenAI
    and Groq: "Please try again in 1m2.5s".
    """
    for fields in _objects(error, MAX_DEPTH):
        if isinstance(delay := fields.get("retryDelay"), str) and (
            found := _DURATION.fullmatch(delay)
        ):
            return float(found[1])
    if found := _TRY_AGAIN.search(reason_in(error)[:MAX_READ_CHARACTERS]):
        minutes, amount, unit = found.groups()
        return 60 * float(minutes or 0) + float(amount) / (1000 if unit == "ms" else 1)
    return None


def error_of_text(body: bytes) -> str:
    """Return what a body that is not JSON says: its first line, or a page's title."""
    text = body[:MAX_READ_CHARACTERS].decode(errors="replace").strip()
    if _MARKUP.search(text[:256]):
        title = _TITLE.search(text)
        return title[2].strip() if title else ""
    return text.split("\n", 1)[0].strip()


def _reasons(error: Any, depth: int) -> Iterator[str]:
    """Yield the reasons of nested errors, the outermost first."""
    if depth == 0:
        return
    if isinstance(error, str):
        text = error[:MAX_READ_CHARACTERS]
        nested = _decoded(error)
        if nested is None:
            yield text
        else:
            yield from _reasons(nested, depth - 1)
    elif isinstance(error, list):
        for item in cast("Sequence[Any]", error)[:MAX_ITEMS]:
            yield from _reasons(item, depth - 1)
    elif isinstance(error, dict):
        fields = cast("Mapping[str, Any]", error)
        where = _place(fields.get("loc"))
        for name in _REASONS:
            for reason in _reasons(fields.get(name), depth - 1):
                yield where + reason


def _place(path: Any) -> str:
    if not isinstance(path, list):
        return ""
    steps = cast("Sequence[Any]", path)[:8]
    return ".".join(str(step)[:64] for step in steps) + ": "


def _words(error: Any, depth: int) -> Iterator[str]:
    for fields in _objects(error, depth):
        for name in _WORDS:
            word = fields.get(name)
            if isinstance(word, str | int) and not isinstance(word, bool):
                yield str(word)[:128]


def _objects(error: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of an error, the outermost first."""
    if depth == 0:
        return
    if isinstance(error, str):
        error = _decoded(error)
    if isinstance(error, list):
        for item in cast("Sequence[Any]", error)[:MAX_ITEMS]:
            yield from _objects(item, depth - 1)
    elif isinstance(error, dict):
        fields = cast("Mapping[str, Any]", error)
        yield fields
        for name in _REASONS:
            yield from _objects(fields.get(name), depth - 1)


def _decoded(text: str) -> Any:
    """Return the JSON object or array that a text holds, or ``None``."""
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
