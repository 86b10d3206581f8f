"""The standard variables of OpenTelemetry as settings, and the form of what they hold.

Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/ and
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from everruns.errors import InvalidRequest

PROTOCOL = "http/protobuf"

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def trace_settings(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of traces that standard variables give.

    Args:
        variables: The environment.

    Raises:
        InvalidRequest: They ask for a protocol that is not spoken here.
    """
    endpoint = _endpoint(variables)
    if endpoint is None or _is_off(variables):
        return {}
    wanted = _of_traces(variables, "PROTOCOL") or PROTOCOL
    if wanted != PROTOCOL:
        raise InvalidRequest(
            f"OTEL_EXPORTER_OTLP_PROTOCOL: traces are sent by {PROTOCOL}, not by {wanted}. Set the "
            "variable to that, and the endpoint to where the collector takes it, mostly port 4318."
        )
    resource = variables.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if name := variables.get("OTEL_SERVICE_NAME"):
        # The last one counts.
        resource = ",".join(filter(None, [resource, f"service.name={quote(name)}"]))
    given = {
        "trace_endpoint": endpoint,
        "trace_headers": _of_traces(variables, "HEADERS"),
        "trace_resource": resource,
    }
    return {name: value for name, value in given.items() if value}


def _endpoint(variables: Mapping[str, str]) -> str | None:
    if whole := variables.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        return whole
    base = variables.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return base.rstrip("/") + "/v1/traces" if base else None


def _is_off(variables: Mapping[str, str]) -> bool:
    is_disabled = variables.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return is_disabled or variables.get("OTEL_TRACES_EXPORTER") == "none"


def _of_traces(variables: Mapping[str, str], name: str) -> str | None:
    return variables.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or variables.get(
        f"OTEL_EXPORTER_OTLP_{name}"
    )


def pairs(text: str) -> dict[str, str]:
    """Parse ``name=value,name=value`` with URL-encoded values.

    Raises:
        ValueError: It has another form. The message holds nothing of it.
    """
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise ValueError("must be like name=value,name=value, with URL-encoded values")
        found[name.strip()] = unquote(value.strip())
    return found


def checked_pairs(text: str) -> str:
    """Return the text if it is pairs.

    Raises:
        ValueError: It is not.
    """
    pairs(text)
    return text


def check_headers(text: str) -> None:
    """Check that pairs can be sent as headers.

    Raises:
        ValueError: They cannot. The message holds nothing of them.
    """
    for name, value in pairs(text).items():
        if not _TOKEN.fullmatch(name) or not (value.isascii() and value.isprintable()):
            raise ValueError("must be names and values that HTTP headers can have")
