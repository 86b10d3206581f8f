"""Agents as documents that people write and keep: Markdown with YAML front matter.

```markdown
---
name: research-assistant
capabilities:
- current_time
---
You are a careful research assistant.
```

An exported document imports as the same fields. YAML alone and plain text can be imported too.

Source: docs/contract.md, "Agents as documents".
"""

import re
from hashlib import sha256
from typing import Any, cast

from everruns.domain.agents import Agent, AgentFields, AgentInput
from everruns.domain.slugs import MAX_SLUG, is_slug, slug_of
from everruns.domain.yaml_values import read_yaml, write_yaml
from everruns.errors import InvalidRequest

FRONT_MATTER = re.compile(
    r"(?P<fields>(?:\s*\n)?---[ \t]*\r?\n.*?)^---[ \t]*(?:\r?\n|\Z)(?P<text>.*)",
    re.DOTALL | re.MULTILINE,
)
# Comments and a document marker can come before the first field.
FIRST_LINE = re.compile(r"^(?!#|---)\S.*", re.MULTILINE)
FIELD = re.compile(rf"(?:{'|'.join(AgentInput.model_fields)}):(?:\s|$)")
DECIDED = {"name", *AgentFields.model_fields}
DIGEST_DIGITS = 8


def write_document(agent: Agent) -> str:
    """Return an agent as a document with exactly the fields that a client can set."""
    fields = agent.model_dump(mode="json", include=DECIDED, exclude_defaults=True)
    if capabilities := fields.get("capabilities"):
        fields["capabilities"] = [
            used["ref"] if used.keys() == {"ref"} else used for used in capabilities
        ]
    text = fields.pop("system_prompt", "")
    if text != text.strip():
        # White space around a document's text is dropped, so a prompt with it is kept as a field.
        fields["system_prompt"], text = text, ""
    return f"---\n{write_yaml(fields)}---\n{text}"


def read_document(text: str) -> dict[str, Any]:
    """Return the fields of the agent that a document describes.

    Markdown with front matter and YAML name their fields. Any other text becomes the prompt of an
    agent. Its name combines the first words, for people, with a digest of the text, so that
    another text with the same beginning is another agent.

    Raises:
        InvalidRequest: The document is invalid; the message says where and why.
    """
    if not text.strip():
        raise InvalidRequest("body: there is no text to import")
    if front := FRONT_MATTER.match(text):
        fields = _fields(front["fields"])
        if prompt := front["text"].strip():
            if fields.get("system_prompt"):
                raise InvalidRequest(
                    "system_prompt: is given twice, in the front matter and as the text below it"
                )
            fields["system_prompt"] = prompt
        return fields
    if _is_yaml(text):
        return _fields(text)
    return {"name": _name_for(text), "system_prompt": text.strip()}


def _is_yaml(text: str) -> bool:
    """Tell whether a text is YAML, which begins with a field of an agent."""
    line = FIRST_LINE.search(text)
    return line is not None and FIELD.match(line[0]) is not None


def _fields(text: str) -> dict[str, Any]:
    fields = read_yaml(text)
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise InvalidRequest("YAML: must be fields and values, such as `name: assistant`")
    return cast("dict[str, Any]", fields)


def _name_for(text: str) -> str:
    digest = sha256(text.strip().encode()).hexdigest()[:DIGEST_DIGITS]
    first_line = text.strip().partition("\n")[0]
    return f"{slug_of(first_line, MAX_SLUG - DIGEST_DIGITS - 1) or 'agent'}-{digest}"


def addressed(fields: dict[str, Any]) -> dict[str, Any]:
    """Return an agent's fields with a slug for a name.

    A name for people, such as ``Research Assistant``, becomes the display name if there is none,
    and its nearest slug becomes the name.
    """
    name = fields.get("name")
    if not isinstance(name, str) or is_slug(name):
        return fields
    return {**fields, "name": slug_of(name), "display_name": fields.get("display_name") or name}
