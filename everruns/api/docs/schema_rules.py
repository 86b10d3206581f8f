"""Rules of bodies that pydantic cannot express.

Validators of the domain accept shorthands and look at several fields together; here the OpenAPI
document learns of it. Tests send generated requests to find where the two disagree. Rules that
depend on other fields are ``if``, ``then`` and ``else``, which generators of clients leave aside.

Source: docs/contract.md, "Resources".
"""

from typing import Any

STRING: dict[str, Any] = {"type": "string"}
NULL: dict[str, Any] = {"type": "null"}
CAPABILITY_ID: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 256}
CAPABILITY: dict[str, Any] = {"$ref": "#/components/schemas/CapabilityConfig"}
BODIES = ("Input", "Patch")
PARTS = (
    "TextPart",
    "ImagePart",
    "ImageToAttach",
    "FileToAttach",
    "AttachedFilePart",
    "JsonPart",
    "FilePart",
    "ToolCallPart",
    "ToolResultPart",
    "OutputPart",
)
ONE_SOURCE: dict[str, Any] = {
    "if": {"required": ["base64"], "properties": {"base64": STRING}},
    "then": {
        "required": ["media_type"],
        "properties": {"media_type": STRING, "url": NULL},
    },
    "else": {"required": ["url"], "properties": {"url": STRING}},
}
BY_PATH_OR_SOURCE: dict[str, Any] = {
    "if": {"required": ["path"], "properties": {"path": STRING}},
    "then": {"properties": {"url": NULL, "base64": NULL}},
    "else": ONE_SOURCE,
}
BY_PATH_OR_CONTENT: dict[str, Any] = {
    "if": {"required": ["path"], "properties": {"path": STRING}},
    "then": {"properties": {"base64": NULL}},
    "else": {
        "required": ["base64", "media_type"],
        "properties": {"base64": STRING, "media_type": STRING},
    },
}
ONE_OUTCOME: dict[str, Any] = {
    "if": {"required": ["parts"], "properties": {"parts": {"type": "array"}}},
    "then": {"properties": {"result": NULL, "error": NULL}},
}
ONE_PLACE: dict[str, Any] = {
    "if": {"required": ["sequence"], "properties": {"sequence": {"type": "integer"}}},
    "then": {"properties": {"event_id": NULL}},
}
ONE_MESSAGE: dict[str, Any] = {
    "if": {"required": ["message"]},
    "then": {"not": {"anyOf": [{"required": ["content"]}, {"required": ["role"]}]}},
    "else": {"required": ["content"]},
}


def state_rules(schemas: dict[str, Any]) -> None:
    """Add these rules to the schemas of bodies."""
    for name, schema in schemas.items():
        field = schema.get("properties", {}).get("capabilities", {})
        capabilities = field["anyOf"][0] if "anyOf" in field else field
        if name.endswith(BODIES) and capabilities.get("items") == CAPABILITY:
            capabilities["items"] = {"anyOf": [CAPABILITY_ID, CAPABILITY]}
    for name in PARTS:
        part = schemas[name]
        part["required"] = sorted({"type", *part.get("required", [])})
    schemas["ImagePart"] |= ONE_SOURCE
    schemas["ImageToAttach"] |= BY_PATH_OR_SOURCE
    schemas["FileToAttach"] |= BY_PATH_OR_CONTENT
    schemas["ClientToolResult"] |= ONE_OUTCOME
    schemas["ForkInput"] |= ONE_PLACE
    # Computed, and left out where there is none.
    schemas["Message"]["required"].remove("thinking")
    _state_shorthands(schemas)


def _state_shorthands(schemas: dict[str, Any]) -> None:
    """A message may be its text, and so may its content, which may stand in its place."""
    inner = schemas["MessageInput"]["properties"]
    inner["content"] = {"anyOf": [STRING, inner["content"]]}
    send: dict[str, Any] = schemas["SendMessage"]
    message = send["properties"]["message"]
    send["properties"] |= {"message": {"anyOf": [STRING, message]}, **inner}
    del send["required"]
    send |= ONE_MESSAGE
