"""What the fake model answers, told by its name: pure data and bytes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import orjson

# All of one length. More than one, since some clients take a word that repeats for a broken model.
WORDS = ("some ", "more ", "text ", "here ")

NAME = re.compile(r"tokens-([1-9]\d{0,5})(?:-rate-([1-9]\d{0,5}))?(?:-wait-(\d{1,4}))?")


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        tokens: How many; each is one of ``WORDS``, in turn.
        tokens_per_s: How fast they come; all at once if there is none.
        wait_s: Seconds before the first.
    """

    tokens: int
    tokens_per_s: int | None = None
    wait_s: int = 0

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(islice(cycle(WORDS), self.tokens))

    @property
    def streaming_s(self) -> float:
        """Seconds from the first token to the last."""
        return self.tokens / self.tokens_per_s if self.tokens_per_s else 0.0


def parse_model_name(name: str) -> Reply:
    """Read a name such as ``tokens-20``, ``tokens-200-rate-40`` or ``tokens-20-wait-30``.

    Raises:
        ValueError: It is no such name.
    """
    found = NAME.fullmatch(name)
    if found is None:
        raise ValueError(
            f"There is no model {name}. Name it tokens-N, with -rate-N for tokens a second and "
            "-wait-N for seconds before the first."
        )
    tokens, rate, wait = found.groups()
    return Reply(int(tokens), int(rate) if rate else None, int(wait or 0))


@dataclass(frozen=True)
class Answer:
    """One answer on the wire, in chunks of HTTP.

    Attributes:
        number: Makes its id unlike that of any other; clients tell messages apart by it.
        model: The model's name.
        reply: What it says.
        prompt_tokens: What the question is said to have.
    """

    number: int
    model: str
    reply: Reply
    prompt_tokens: int

    def opening(self) -> bytes:
        """Return what comes before the first token."""
        return self._event([_choice({"role": "assistant", "content": ""})])

    def tokens(self) -> Iterator[bytes]:
        """Return the tokens."""
        each = [self._event([_choice({"content": word})]) for word in WORDS]
        return islice(cycle(each), self.reply.tokens)

    def closing(self, *, usage: bool) -> bytes:
        """Return what comes after the last token."""
        end = self._event([_choice({}, "stop")])
        if usage:
            end += self._event([], usage=self._usage())
        return end + _chunk(b"[DONE]")

    def whole(self) -> dict[str, Any]:
        """Return the answer that is not streamed."""
        message = {"role": "assistant", "content": self.reply.text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self._usage()}

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return _chunk(
            orjson.dumps({**self._head("chat.completion.chunk"), "choices": choices, **more})
        )

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.number}",
            "object": kind,
            "created": 1_700_000_000,
            "model": self.model,
        }

    def _usage(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.reply.tokens,
            "total_tokens": self.prompt_tokens + self.reply.tokens,
        }


def _choice(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def _chunk(payload: bytes) -> bytes:
    event = b"data: " + payload + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(event), event)
