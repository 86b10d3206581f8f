"""The config of each capability is described well enough to make a form of it."""

from typing import Any

import pytest

from everruns.capabilities.mcp_servers import server_capability
from everruns.capabilities.registry import BUILTIN, describe
from everruns.domain.schemas import find_violation

CONFIGURABLE = [
    capability
    for capability in (*BUILTIN, server_capability("shop"))
    if capability.config_schema is not None
]


@pytest.fixture(params=CONFIGURABLE, ids=lambda capability: capability.id)
def schema(request: pytest.FixtureRequest) -> dict[str, Any]:
    shown = describe(request.param).config_schema
    assert shown is not None
    return shown


def test_every_field_has_a_title_and_a_description(schema: dict[str, Any]):
    for name, field in schema["properties"].items():
        assert field["title"][0].isupper(), name
        assert field["description"].endswith("."), name


def test_every_field_says_which_control_it_needs(schema: dict[str, Any]):
    for name, field in schema["properties"].items():
        kinds = field.get("anyOf", [field])
        assert all("type" in kind or "const" in kind for kind in kinds), name
        assert all("items" in kind for kind in kinds if kind.get("type") == "array"), name
        assert len(kinds) == 1 or all("title" in kind for kind in kinds), name


def test_every_default_is_a_value_that_is_taken(schema: dict[str, Any]):
    defaults = {
        name: field["default"] for name, field in schema["properties"].items() if "default" in field
    }
    assert find_violation(schema, defaults) is None


def test_nothing_but_the_fields_is_taken(schema: dict[str, Any]):
    assert schema["type"] == "object"
    assert find_violation(schema, {"surprise": 1}) is not None
