"""Holds tool calls until somebody allows them."""

from everruns.capabilities.base import Capability
from everruns.domain.waits import seconds_schema

SYSTEM_PROMPT = """\
## Approval of tool calls

Some of your tool calls are shown to a person first, who may reject them. When a call was \
rejected, do not make it again and do not reach the same end another way; say what you wanted to \
do and ask how to go on.\
"""

TOOL_APPROVAL = Capability(
    id="tool_approval",
    name="Tool Approval",
    description="Lets a person allow or reject tool calls before they run.",
    icon="shield-check",
    category="Safety",
    system_prompt=SYSTEM_PROMPT,
    config_schema={
        "type": "object",
        "properties": {
            "mode": {
                "title": "Calls to hold",
                "type": "string",
                "enum": ["off", "normal", "protective"],
                "default": "normal",
                "description": "normal: destructive calls; protective: all calls with side "
                "effects; off: none.",
            },
            "timeout_seconds": seconds_schema(
                "Time to decide",
                "How long calls are held; by default, as the setting approval_timeout_s says.",
            ),
            "on_timeout": {
                "title": "Without a decision in time",
                "type": "string",
                "enum": ["error", "keep_waiting"],
                "default": "error",
                "description": "error: the call counts as not allowed; keep_waiting: the turn "
                "waits on.",
            },
            "remind_after_seconds": seconds_schema(
                "Reminder", "When an event reminds of the call; by default, never."
            ),
            "decided_by": {
                "title": "Who decides",
                "type": "string",
                "enum": ["end_user", "operator"],
                "default": "end_user",
                "description": "end_user: the end user or an operator; operator: end users may not "
                "decide.",
            },
        },
        "additionalProperties": False,
    },
)
