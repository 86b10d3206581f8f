"""Which tools a query is about, best first.

BM25 over names, descriptions and parameters: a word counts more the rarer it is among all tools,
more in a name than in a description, and less in a long text than in a short one. The result
depends on nothing but the tools, their order and the query.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009),
with weights for fields as in section 3.6.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast
from unicodedata import normalize

from everruns.domain.tools import ToolDefinition

# How fast further mentions of a word stop to matter, and how much long texts are held back.
SATURATION = 1.2
LENGTH_SHARE = 0.75

NAME_WEIGHT = 4.0
TITLE_WEIGHT = 2.0
TEXT_WEIGHT = 1.0
# Of a longer description only the beginning is read, which says what a tool is for.
READ_CHARACTERS = 1_000
READ_PARAMETERS = 100
# A word of a query that no tool has stands for those that begin with it: "repo", "calc".
LEAST_PREFIX = 3

_WORD = re.compile(r"[^\W_]+")
_QUERY_PART = re.compile(r"[^\s,;\"'`()\[\]]+")
# Writing without blanks between words: Chinese, Japanese, Thai, Lao, Burmese and Khmer.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+"
)


def words_of(text: str) -> Iterator[str]:
    """Yield the words of a text as they are compared, in order.

    Case, width and accents' encoding do not matter. Names are taken apart at ``_``, ``-`` and
    where ``camelCase`` has its humps, and stay whole besides. Of writing without blanks between
    words, every two neighbouring characters are a word.
    """
    for whole in _WORD.findall(normalize("NFKC", text)):
        if unspaced := _UNSPACED.search(whole):
            yield from _pairs(unspaced.group())
            rest = [part for part in _UNSPACED.split(whole) if part]
        else:
            rest = [whole]
        for part in rest:
            humps = list(_humps(part))
            if len(humps) > 1:
                yield part.casefold()
            yield from (_singular(hump.casefold()) for hump in humps)


def rank_tools(tools: Sequence[ToolDefinition], query: str) -> list[ToolDefinition]:
    """Return the tools that a query is about, best first; none that has nothing of it.

    Tools whose whole names are in the query come first, in the query's order. Among equals the
    order of ``tools`` counts.

    Args:
        tools: All tools, each with a name of its own.
        query: Words, or names of tools.
    """
    named = _named(tools, query)
    scores = _scores([_weights(tool) for tool in tools], list(dict.fromkeys(words_of(query))))
    found = sorted(
        (place for place, score in enumerate(scores) if score > 0),
        key=lambda place: (-scores[place], place),
    )
    names = {tool.name for tool in named}
    return [*named, *(tools[place] for place in found if tools[place].name not in names)]


def _named(tools: Sequence[ToolDefinition], query: str) -> list[ToolDefinition]:
    exactly = {tool.name: tool for tool in tools}
    loosely: dict[str, ToolDefinition] = {}
    for tool in tools:
        loosely.setdefault(tool.name.casefold(), tool)
    parts = [query.strip(), *_QUERY_PART.findall(query)]
    found = (exactly.get(part) or loosely.get(part.casefold()) for part in parts)
    return list({tool.name: tool for tool in found if tool is not None}.values())


def _weights(tool: ToolDefinition) -> Mapping[str, float]:
    """Return how much each word says about a tool."""
    weights: dict[str, float] = {}
    fields = [
        (tool.name, NAME_WEIGHT),
        (tool.display_name or "", TITLE_WEIGHT),
        (tool.description[:READ_CHARACTERS], TEXT_WEIGHT),
        (" ".join(_parameter_names(tool.parameters)), TEXT_WEIGHT),
    ]
    for text, weight in fields:
        for word in words_of(text):
            weights[word] = weights.get(word, 0) + weight
    return weights


def _parameter_names(schema: Mapping[str, Any]) -> list[str]:
    properties: Any = schema.get("properties")
    if not isinstance(properties, dict):
        return []
    return list(cast("dict[str, Any]", properties))[:READ_PARAMETERS]


def _scores(documents: Sequence[Mapping[str, float]], query: Iterable[str]) -> list[float]:
    lengths = [sum(weights.values()) for weights in documents]
    average = (sum(lengths) / len(lengths) if lengths else 0) or 1.0
    known: Counter[str] = Counter(word for weights in documents for word in weights)
    scores = [0.0] * len(documents)
    for word in query:
        for meant in _meant(word, known):
            rarity = math.log(1 + (len(documents) - known[meant] + 0.5) / (known[meant] + 0.5))
            for place, weights in enumerate(documents):
                if weight := weights.get(meant, 0):
                    held = 1 - LENGTH_SHARE + LENGTH_SHARE * lengths[place] / average
                    share = weight * (SATURATION + 1) / (weight + SATURATION * held)
                    scores[place] += rarity * share
    return scores


def _meant(word: str, known: Mapping[str, int]) -> list[str]:
    if word in known or len(word) < LEAST_PREFIX:
        return [word] if word in known else []
    return sorted(other for other in known if other.startswith(word))


def _humps(word: str) -> Iterator[str]:
    """Split ``readHTTPFile`` into ``read``, ``HTTP`` and ``File``."""
    start = 0
    for at in range(1, len(word)):
        before, here, after = word[at - 1], word[at], word[at + 1 : at + 2]
        begins = here.isupper() and (not before.isupper() or after.islower())
        if begins:
            yield word[start:at]
            start = at
    yield word[start:]


def _singular(word: str) -> str:
    """Return an English word without the plural's ending, so that "issues" finds "issue"."""
    is_plural = len(word) > len("gas") and word.isascii() and word.endswith("s")
    return word[:-1] if is_plural and not word.endswith(("ss", "us", "is")) else word


def _pairs(text: str) -> list[str]:
    return [text[at : at + 2] for at in range(len(text) - 1)] or [text]
