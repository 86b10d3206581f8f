"""Loading the settings, and saying what is wrong with them."""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from everruns.domain.problems import words_of
from everruns.errors import InvalidRequest
from everruns.settings import CONFIG_VARIABLE, PREFIX, Settings

# Not settings: the name of the settings file, and variables of other commands, SDKs, examples and
# tests that may be set in the same shell.
OTHER_VARIABLES = frozenset(
    {
        "agent_key", "agent_url", "api_key", "api_url", "base_url", "chromium", "config", "org",
        "org_id", "server",
    }
)  # fmt: skip


def load_settings(config: Path | None = None, **flags: Any) -> Settings:
    """Read the settings.

    Args:
        config: A TOML file; without it, the one that ``EVERRUNS_CONFIG`` names, if any.
        flags: Settings given on the command line; ``None`` means not given.

    Raises:
        InvalidRequest: A setting is wrong. The message names it and what would be right.
    """
    if found := config or os.environ.get(CONFIG_VARIABLE):
        # Other processes read it too, from a different working directory.
        os.environ[CONFIG_VARIABLE] = str(Path(found).absolute())
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        problems = "; ".join(map(_problem, error.errors(include_url=False, include_input=False)))
        raise InvalidRequest(f"Settings are not valid. {problems}") from None


def _problem(problem: Mapping[str, Any]) -> str:
    name = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f"{name} is not a setting. {_nearest(name, '')}"
    return f"{name}: {words_of(problem)}"


def _nearest(name: str, prefix: str) -> str:
    near = get_close_matches(name, Settings.model_fields, n=1)
    if not near:
        return "See `everruns config`."
    return f"Did you mean {prefix + near[0].upper() if prefix else near[0]}?"


def check_variables() -> None:
    """Refuse variables that look like settings but are not; most are misspelt.

    Raises:
        InvalidRequest: There is one. The message names it and the closest setting.
    """
    allowed = {*Settings.model_fields, *OTHER_VARIABLES}
    for variable in sorted(os.environ):
        if not variable.upper().startswith(PREFIX):
            continue
        name = variable[len(PREFIX) :].lower()
        if name not in allowed:
            raise InvalidRequest(
                f"The variable {variable} is not a setting. {_nearest(name, PREFIX)}"
            )
