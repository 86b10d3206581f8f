"""Holds tool calls until the user allows them."""

from everruns.capabilities.base import Capability
from everruns.domain.approvals import TIMEOUT_S

SYSTEM_PROMPT = """\
## Approval of tool calls

Some of your tool calls are shown to the user first, who may reject them. When a call was \
rejected, do not make it again and do not reach the same end another way; say what you wanted to \
do and ask how to go on.\
"""

TOOL_APPROVAL = Capability(
    id="tool_approval",
    name="Tool Approval",
    description="Lets the user allow or reject tool calls before they run.",
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
            "timeout_seconds": {
                "type": "integer",
                "minimum": 60,
                "maximum": 86_400,
                "default": TIMEOUT_S,
                "description": "Seconds after which a call counts as rejected.",
            },
        },
        "additionalProperties": False,
    },
)
