"""Holds tool calls until somebody allows them."""

from everruns.capabilities.base import Capability
from everruns.domain.waits import SECONDS_SCHEMA

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
                "type": "string",
                "enum": ["off", "normal", "protective"],
                "default": "normal",
                "description": "normal: destructive calls; protective: calls with side effects.",
            },
            "timeout_seconds": SECONDS_SCHEMA,
            "on_timeout": {
                "type": "string",
                "enum": ["error", "keep_waiting"],
                "default": "error",
                "description": "error: the call counts as not allowed.",
            },
            "remind_after_seconds": SECONDS_SCHEMA,
            "decided_by": {
                "type": "string",
                "enum": ["end_user", "operator"],
                "default": "end_user",
                "description": "operator: end users of a channel may not decide.",
            },
        },
        "additionalProperties": False,
    },
)
