"""What bodies may and must be beyond what pydantic can tell of them.

Validators of the domain accept shorthands and look at several fields together; here the OpenAPI
document learns of it. Tests send generated requests to find where the two disagree.

Source: docs/contract.md, "Resources".
"""

from typing import Any

STRING: dict[str, Any] = {"type": "string"}
NULL: dict[str, Any] = {"type": "null"}
CAPABILITY_ID: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 256}
WITH_CAPABILITIES = (
    "AgentInput",
    "AgentPatch",
    "NamedAgentInput",
    "SessionInput",
    "SessionPatch",
)
PARTS = ("TextPart", "ImagePart", "ToolCallPart", "ToolResultPart")
ONE_SOURCE: list[dict[str, Any]] = [
    {"required": ["url"], "properties": {"url": STRING, "base64": NULL}},
    {
        "required": ["base64", "media_type"],
        "properties": {"base64": STRING, "media_type": STRING, "url": NULL},
    },
]


def state_rules(schemas: dict[str, Any]) -> None:
    """Add to the schemas of bodies what they accept and demand."""
    for name in WITH_CAPABILITIES:
        field = schemas[name]["properties"]["capabilities"]
        capabilities = field["anyOf"][0] if "anyOf" in field else field
        capabilities["items"] = {"anyOf": [CAPABILITY_ID, capabilities["items"]]}
    for name in PARTS:
        part = schemas[name]
        part["required"] = sorted({"type", *part.get("required", [])})
    schemas["ImagePart"]["oneOf"] = ONE_SOURCE
    # Computed, and left out where there is none.
    schemas["Message"]["required"].remove("thinking")
    _state_shorthands(schemas)


def _state_shorthands(schemas: dict[str, Any]) -> None:
    """A message may be its text, and so may its content."""
    fields = schemas["MessageInput"]["properties"]
    fields["content"] = {"anyOf": [STRING, fields["content"]]}
    send: dict[str, Any] = schemas["SendMessage"]
    message = send["properties"].pop("message")
    del send["required"]
    send["anyOf"] = [
        {"required": ["message"], "properties": {"message": {"anyOf": [STRING, message]}}},
        {
            "required": ["content"],
            "properties": {"content": fields["content"], "role": fields["role"]},
            "not": {"required": ["message"]},
        },
    ]
