"""The agent of the support desk, and the model that it uses."""

import os
from typing import Any

# Given here, so that each start of the desk finds the agent of the last one.
AGENT_ID = "agent_5d9ba37e0c5f4b6f8a8d3ee7b6c1f042"

PROMPT = """\
You help the customers of a small shop. Look up an order before you speak about it. If something \
arrived broken or not at all, refund it; a colleague decides whether the refund is made, which can \
take a while. Be brief and kind.\
"""

ORDER = {"type": "string", "description": "The order's number.", "pattern": "^[0-9]{4}$"}

TOOLS: list[dict[str, Any]] = [
    {
        "name": "lookup_order",
        "description": "Look up one of the customer's orders.",
        "parameters": {
            "type": "object",
            "properties": {"order": ORDER},
            "required": ["order"],
            "additionalProperties": False,
        },
    },
    {
        "name": "refund",
        "description": "Refund an order, or a part of it.",
        "parameters": {
            "type": "object",
            "properties": {
                "order": ORDER,
                "cents": {"type": "integer", "minimum": 1},
                "reason": {"type": "string", "maxLength": 200},
            },
            "required": ["order", "cents", "reason"],
            "additionalProperties": False,
        },
        "policy": "requires_approval",
    },
]

# An operator decides about refunds, not the customer, and may take as long as it takes.
APPROVAL = {
    "ref": "tool_approval",
    "config": {"decided_by": "operator", "timeout_seconds": "never"},
}

# What the simulated model says, where no other model is named.
SCRIPT: list[dict[str, Any]] = [
    {
        "text": "I am sorry to hear that. Let me look at your order.",
        "tool_calls": [{"name": "lookup_order", "arguments": {"order": "1042"}}],
    },
    {
        "text": "A colleague has to allow the refund. I will tell you as soon as it is done.",
        "tool_calls": [
            {
                "name": "refund",
                "arguments": {"order": "1042", "cents": 4900, "reason": "arrived broken"},
            }
        ],
    },
    {"text": "It is done: you get 49.00 back for the lamp. Is there anything else?"},
]
DEMO_PROVIDER = {
    "name": "desk-demo",
    "provider_type": "simulated",
    "settings": {"script": SCRIPT, "tokens_per_s": 30},
}


def agent() -> dict[str, Any]:
    """Return the agent, as the API takes it. ``DESK_MODEL`` names its model."""
    return {
        "id": AGENT_ID,
        "name": "support-desk",
        "system_prompt": PROMPT,
        "default_model_id": os.environ.get("DESK_MODEL", "desk-demo/simulated-1"),
        "capabilities": [APPROVAL],
        "tools": TOOLS,
        # The desk may be down for a night.
        "client_tool_wait": {"timeout_seconds": 86_400},
    }
