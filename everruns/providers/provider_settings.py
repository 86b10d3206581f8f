"""The settings of each type of provider: checked strictly when written, leniently when read."""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from everruns.domain.base import KIB
from everruns.domain.forms import DATE_OR_VERSION
from everruns.domain.llm import ProviderType
from everruns.domain.names import LONGEST_SHOWN, unknown_name
from everruns.domain.problems import problems_of
from everruns.errors import InvalidRequest
from everruns.providers.catalogue import Api
from everruns.providers.dialects import DIALECTS
from everruns.providers.simulated import SimulatedSettings

MAX_EXTRA_BODY_BYTES = 16 * KIB
SHOWN_PROBLEMS = 5
AZURE_EXAMPLE = "https://RESOURCE.openai.azure.com/openai/v1"
# Every request needs these.
NEEDED = frozenset({"input", "messages", "model", "stream"})

_FIELD_PATH = re.compile(r"[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64})?")


def _omittable(path: str) -> str:
    if not _FIELD_PATH.fullmatch(path):
        raise ValueError("must be the name of a field, or object.field for one in an object")
    if path in NEEDED:
        raise ValueError(f"{path} cannot be left out")
    return path


OmittedField = Annotated[str, AfterValidator(_omittable)]


def _bounded(body: dict[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(body)) > MAX_EXTRA_BODY_BYTES:
        raise ValueError(f"must be at most {MAX_EXTRA_BODY_BYTES} bytes of JSON")
    return body


def _known_dialect(name: str) -> str:
    if name not in DIALECTS:
        raise ValueError(f"must be one of {', '.join(DIALECTS)}")
    return name


class NoSettings(BaseModel):
    """Settings of the provider types that have none."""

    model_config = ConfigDict(frozen=True)


class WireSettings(NoSettings):
    """Settings of all types that ask a server: ``anthropic`` has no others.

    Attributes:
        omit: Fields to leave out of each request, for servers that refuse them; ``a.b`` is the
            field ``b`` of ``a``.
        extra_body: Fields to add to each request. They replace nothing that is sent anyway.
    """

    omit: Annotated[list[OmittedField], Field(max_length=20)] = Field(default_factory=list[str])
    extra_body: Annotated[dict[str, Any], AfterValidator(_bounded)] = Field(
        default_factory=dict[str, Any]
    )


class OpenAISettings(WireSettings):
    """Settings of ``openai`` and ``local``.

    Attributes:
        api: The API by which every model is asked. Without it, the catalogue says so for models at
            OpenAI and Azure, and servers elsewhere are asked by Chat Completions.
        dialect: The server's dialect of Chat Completions (see ``everruns.providers.dialects``);
            without it, it is known by the ``base_url``.
    """

    api: Api | None = None
    dialect: Annotated[str, AfterValidator(_known_dialect)] | None = None


class AzureSettings(OpenAISettings):
    """Settings of ``azure_openai``.

    Attributes:
        api_version: Uses the older API by deployment, e.g. ``2024-10-21``; without it, the
            ``/openai/v1`` API is used.
    """

    api_version: str | None = Field(default=None, pattern=DATE_OR_VERSION)


_SETTINGS: dict[ProviderType, type[BaseModel]] = {
    "anthropic": WireSettings,
    "simulated": SimulatedSettings,
    "openai": OpenAISettings,
    "local": OpenAISettings,
    "azure_openai": AzureSettings,
}


def settings_type(provider_type: ProviderType) -> type[BaseModel]:
    """Return the model of a provider type's settings."""
    return _SETTINGS.get(provider_type, NoSettings)


def check_settings(provider_type: ProviderType, settings: Mapping[str, Any]) -> None:
    """Check the settings of a provider before it is stored.

    Raises:
        InvalidRequest: A setting is wrong or unknown. The message names it and the reason.
    """
    known = settings_type(provider_type).model_fields
    for name in settings:
        if name not in known:
            raise InvalidRequest(
                f"The provider's settings are not valid. settings.{name[:LONGEST_SHOWN]}: "
                f"{unknown_name(known, name, f'{provider_type} setting')}"
            )
    read_settings(provider_type, settings)


def check_address(provider_type: ProviderType, base_url: str | None) -> None:
    """Check that a provider has the address that its type requires, before it is stored.

    Raises:
        InvalidRequest: It has none; the message gives an example.
    """
    if provider_type == "azure_openai" and base_url is None:
        raise InvalidRequest(
            "The provider's settings are not valid. base_url: is required for providers of type "
            f"azure_openai, for example {AZURE_EXAMPLE}"
        )


def read_settings(provider_type: ProviderType, settings: Mapping[str, Any]) -> BaseModel:
    """Return the settings of a stored provider; unknown ones are ignored.

    Older versions stored settings that this one does not know.

    Raises:
        InvalidRequest: A setting is wrong. The message names it and the reason.
    """
    kind = settings_type(provider_type)
    known = {name: value for name, value in settings.items() if name in kind.model_fields}
    try:
        return kind.model_validate(known)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(['settings', *filter(None, [path])])}: {words}"
            for path, words in islice(problems_of(error, kind), SHOWN_PROBLEMS)
        )
        raise InvalidRequest(f"The provider's settings are not valid. {problems}.") from None
