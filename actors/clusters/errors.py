"""What Ray's errors say, as the sentences that a user needs of them."""

import re

# Where Python's traceback names the class, in front of one of our own messages.
_OUR_CLASS = re.compile(r"^everruns\.errors\.\w+: ")


def first_sentence(error: Exception) -> str:
    """Return the first sentence of an error that is written as a text."""
    text = " ".join(str(error).split()) or type(error).__name__
    return _sentence(re.split(r"(?<=[.!?]) ", text, maxsplit=1)[0])


def last_line(error: Exception | str) -> str:
    """Return the last line of an error or text with another process's traceback: the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return _sentence(_OUR_CLASS.sub("", lines[-1] if lines else type(error).__name__))


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
