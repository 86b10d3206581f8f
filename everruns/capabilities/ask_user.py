"""Lets the agent ask its user, and wait for the answer."""

from typing import Any

from everruns.capabilities.base import Capability
from everruns.domain.questions import ASK_USER as ASK_USER_TOOL
from everruns.domain.questions import problem_with, result_of_silence
from everruns.domain.tools import ToolDefinition
from everruns.tools.asked import AskedTool

TIMEOUT_S = 300.0

SYSTEM_PROMPT = """\
## Asking the user

Use the `ask_user` tool when you cannot go on well without a decision or a fact that only the user \
has. Ask up to four questions at once, and mark the option that you recommend: it is taken when \
nobody answers within five minutes. Do not ask for what you can find out yourself, and never for \
passwords or keys.\
"""

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
    timeout_s=TIMEOUT_S,
    explain=problem_with,
    result_of_silence=result_of_silence,
)

ASK_USER = Capability(
    id="ask_user",
    name="Ask the User",
    description="Lets the agent ask its user questions and wait for the answers.",
    icon="message-circle-question",
    category="Communication",
    system_prompt=SYSTEM_PROMPT,
    tools=[ask_user],
)
