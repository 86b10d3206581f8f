"""Lets the agent ask its user, and wait for the answer."""

from typing import Any

from everruns.capabilities.base import Capability
from everruns.domain.questions import ASK_USER as ASK_USER_TOOL
from everruns.domain.questions import problem_with
from everruns.domain.tools import ToolDefinition
from everruns.domain.waits import NEVER, WaitRule, seconds_schema
from everruns.tools.asked import AskedTool

SYSTEM_PROMPT = """\
## Asking the user

Use the `ask_user` tool when you cannot go on well without a decision or a fact that only the user \
has. Ask up to four questions at once, and mark the option that you recommend. Do not ask for what \
you can find out yourself, and never for passwords or keys.\
"""


def what_silence_means(rule: WaitRule) -> str:
    """Tell the model what happens to its questions when nobody answers.

    Args:
        rule: How long questions wait, without open fields.
    """
    seconds = rule.timeout_seconds
    if seconds is None or seconds == NEVER or rule.on_timeout == "keep_waiting":
        return "Questions of `ask_user` wait as long as it takes: nothing happens until the answer."
    within = f"Questions of `ask_user` that nobody answers within {_in_words(seconds)}"
    if rule.on_timeout == "recommendation":
        return f"{within} count as answered with the options that you recommend."
    return f"{within} return an error. No answer is assumed then, and you must not assume one."


def _in_words(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds % length == 0:
            count = round(seconds / length)
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return f"{seconds:.12g} seconds"


_WORDS: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 2000}
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "questions": {
            "type": "array",
            "description": "The questions, all asked at once.",
            "minItems": 1,
            "maxItems": 4,
            "items": {
                "type": "object",
                "properties": {
                    "id": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 64,
                        "description": "A short name, e.g. 'format'.",
                    },
                    "question": _WORDS,
                    "kind": {
                        "type": "string",
                        "enum": ["choice", "text"],
                        "description": "choice (the default) has options; text has none.",
                    },
                    "options": {
                        "type": "array",
                        "maxItems": 6,
                        "items": {
                            "type": "object",
                            "properties": {
                                "label": _WORDS,
                                "description": _WORDS,
                                "recommended": {"type": "boolean"},
                            },
                            "required": ["label"],
                            "additionalProperties": False,
                        },
                    },
                    "multi_select": {
                        "type": "boolean",
                        "description": "Whether several options may be chosen.",
                    },
                },
                "required": ["id", "question"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["questions"],
    "additionalProperties": False,
}

ask_user = AskedTool(
    definition=ToolDefinition(
        type="builtin",
        name=ASK_USER_TOOL,
        description="Ask the user one to four questions and wait for the answers.",
        parameters=PARAMETERS,
        policy="client_side",
    ),
    explain=problem_with,
)

ASK_USER = Capability(
    id="ask_user",
    name="Ask the User",
    description="Lets the agent ask its user questions and wait for the answers.",
    icon="message-circle-question",
    category="Communication",
    system_prompt=SYSTEM_PROMPT,
    tools=[ask_user],
    config_schema={
        "type": "object",
        "properties": {
            "timeout_seconds": seconds_schema(
                "Time to answer",
                "How long questions wait; by default, as the setting question_timeout_s says.",
            ),
            "on_timeout": {
                "title": "Without an answer in time",
                "type": "string",
                "enum": ["error", "recommendation", "keep_waiting"],
                "default": "error",
                "description": "error: the call fails; recommendation: the options that the model "
                "recommends count as chosen; keep_waiting: the turn waits on.",
            },
            "remind_after_seconds": seconds_schema(
                "Reminder", "When an event reminds of the questions; by default, never."
            ),
        },
        "additionalProperties": False,
    },
)
