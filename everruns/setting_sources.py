"""Where settings come from besides flags and variables of ours: a file, and variables of others."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from everruns.errors import InvalidRequest
from everruns.telemetry.variables import trace_settings

VENDORS = ("openai", "anthropic")


def of_others(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that variables give which other programs know too.

    They are the keys of vendors, and the standard variables of OpenTelemetry.

    Args:
        variables: The environment.

    Raises:
        InvalidRequest: They ask for what is not supported.
    """
    keys = {
        f"{vendor}_api_key": variables[f"{vendor.upper()}_API_KEY"]
        for vendor in VENDORS
        if variables.get(f"{vendor.upper()}_API_KEY")
    }
    return {**keys, **trace_settings(variables)}


def of_file(path: str | None) -> dict[str, Any]:
    """Return the settings of a TOML file; none without a path.

    Raises:
        InvalidRequest: The file cannot be read.
    """
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The settings file {path} cannot be read: {error}") from None
