"""How the things of a conversation look on a terminal, each in a line or a few."""

from typing import Any, cast

from rich.text import Text

from everruns.commands.figures import count, money, span
from everruns.commands.output import harmless, json_of
from everruns.domain.questions import ASK_USER

NAME_CHARACTERS = 64
TAB_WIDTH = 4
ARGUMENTS_CHARACTERS = 160
RESULT_CHARACTERS = 160
MINUTE_S = 60
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
SPIN_MS = 100


def harmless_lines(text: str) -> list[str]:
    """Return the lines of what anybody has said, so that they are safe to print."""
    return [harmless(line.expandtabs(TAB_WIDTH)) for line in text.split("\n")]


def in_one_line(text: str, limit: int) -> str:
    """Return text that is safe to print without line breaks, cut after so many characters."""
    # Blanks may fall away, so some more are looked at.
    line = " ".join(harmless(text[: 2 * limit]).split())
    return line if len(line) <= limit and len(text) <= 2 * limit else f"{line[: limit - 1]}…"


def lines_of_user(message: dict[str, Any]) -> list[Text]:
    """Return a user's message."""
    lines = harmless_lines("\n".join(map(part_in_short, message["content"])))
    marks = ["> ", *["  "] * (len(lines) - 1)]
    return [
        Text(""),
        *(Text(mark + line, "bold cyan") for mark, line in zip(marks, lines, strict=True)),
    ]


def part_in_short(part: dict[str, Any]) -> str:
    """Return what stands for an image, a file or a value in a line."""
    match part["type"]:
        case "text":
            return str(part["text"])
        case "json":
            return json_of(part.get("value"))
        case kind:
            name = part.get("filename") or part.get("path") or part.get("url") or ""
            return f"[{kind} {name}]" if name else f"[{kind}]"


def arguments_in_short(arguments: dict[str, Any]) -> str:
    """Return arguments as ``name=value``, cut."""
    given = ", ".join(f"{name}={json_of(value)}" for name, value in arguments.items())
    return in_one_line(given, ARGUMENTS_CHARACTERS)


def line_of_result(arguments: dict[str, Any], data: dict[str, Any]) -> Text:
    """Return a call with its result.

    Args:
        arguments: The call's arguments.
        data: Of the event ``tool.result``.
    """
    succeeded = data["success"]
    text = Text.assemble(("✓ ", "green") if succeeded else ("✗ ", "red"))
    text.append(in_one_line(data["name"], NAME_CHARACTERS), "bold")
    if arguments:
        text.append(f"({arguments_in_short(arguments)})", "dim")
    text.append(" → ", "dim")
    text.append(_result_in_short(data), "" if succeeded else "red")
    text.append(f"  {span(data['duration_ms'] / 1000)}", "dim")
    return text


def _result_in_short(data: dict[str, Any]) -> str:
    if error := data.get("error"):
        return in_one_line(error, RESULT_CHARACTERS)
    result = data.get("result")
    if parts := data.get("parts"):
        shown = "; ".join(part_in_short(part) for part in parts)
    elif data["name"] == ASK_USER and isinstance(result, dict):
        shown = _answers_in_short(cast("dict[str, Any]", result))
    else:
        shown = result if isinstance(result, str) else json_of(result)
    return in_one_line(shown, RESULT_CHARACTERS)


def _answers_in_short(result: dict[str, Any]) -> str:
    """Return a user's answers to questions."""
    given = [
        ", ".join([*answer.get("selected", ()), *filter(None, [answer.get("other_text")])])
        for answer in result.get("answers", ())
    ]
    return "; ".join(given) or str(result.get("status", ""))


def line_of_usage(data: dict[str, Any]) -> Text:
    """Return what a turn has cost, of the event ``session.completed``."""
    usage = data["usage"]
    parts = [f"{count(usage['input_tokens'])} tokens in, {count(usage['output_tokens'])} out"]
    if cached := usage.get("cache_read_tokens"):
        parts.append(f"{count(cached)} cached")
    if cost := usage.get("estimated_cost_usd"):
        parts.append(money(cost))
    return note(" · ".join([*parts, span(data["duration_ms"] / 1000)]))


def lines_of_failure(error: dict[str, Any]) -> list[Text]:
    """Return why a turn failed."""
    first, *more = harmless_lines(error["message"])
    return [
        Text.assemble(("✗ ", "red"), (f"{in_one_line(error['code'], 64)}: ", "bold red"), first),
        *(Text(f"  {line}") for line in more),
        note("/retry starts the turn again; /model NAME chooses another model."),
    ]


def note(words: str) -> Text:
    """Return a line of the program itself."""
    return Text(f"  {words}", "dim")


def spinner(now_ms: int) -> str:
    """Return the picture that shows that something goes on."""
    return SPINNER[now_ms // SPIN_MS % len(SPINNER)]


def elapsed(since_ms: int, now_ms: int) -> str:
    """Return the whole seconds since a moment."""
    seconds = max(0, now_ms - since_ms) // 1000
    return f"{seconds} s" if seconds < MINUTE_S else span(seconds)
