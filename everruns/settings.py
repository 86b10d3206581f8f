"""Settings: one frozen model, read once.

A setting comes from a command-line flag, else from an ``EVERRUNS_*`` environment variable, else
from a TOML file, else from its default here. This is the only module that reads the environment.
"""

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from everruns.errors import InvalidRequest

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


class Settings(BaseSettings):
    """Everything a deployment can decide."""

    model_config = SettingsConfigDict(env_prefix="EVERRUNS_", frozen=True, extra="forbid")

    # Where it listens and what it keeps
    host: str = Field("127.0.0.1", description="Address the HTTP API listens on.")
    port: int = Field(9300, ge=0, le=65535, description="Port of the HTTP API; 0 takes a free one.")
    data_dir: Path = Field(
        Path.home() / ".everruns", description="Folder of the database and keys."
    )
    encryption_key: SecretStr | None = Field(
        None,
        description="32 bytes as base64 that encrypt provider keys; else a file in data_dir.",
    )

    # Who may come in
    auth: Literal["none", "api_keys"] = Field("none", description="How requests prove themselves.")
    allow_open_network: bool = Field(
        False, description="Accept auth=none on an address that others can reach."
    )
    docs: bool = Field(True, description="Serve /swagger-ui/ and /api-doc/openapi.json.")
    max_body_bytes: int = Field(
        9 * 1024 * 1024, ge=1024, description="Largest request body in bytes."
    )

    # The cluster
    ray_address: str | None = Field(
        None, description="Address of a Ray cluster to join; without it one is started."
    )
    dashboard: bool = Field(True, description="Start the Ray dashboard (on loopback).")
    dashboard_port: int = Field(8265, ge=0, le=65535, description="Its port, if that is free.")
    replicas: int = Field(1, ge=1, le=64, description="API replicas.")
    warm_session_actors: int = Field(2, ge=1, description="Empty session actors kept ready.")
    max_session_actors: int = Field(
        0, ge=0, description="Most session actors; 0 means 2 for each CPU of the cluster."
    )
    sessions_per_actor: int = Field(512, ge=1, description="Live sessions an actor may share.")
    hibernate_after_s: float = Field(
        60.0, gt=0, description="Seconds after which a quiet session leaves memory."
    )

    # Turns
    max_iterations: int = Field(100, ge=1, description="Model calls a turn may make by default.")
    tool_timeout_s: float = Field(60.0, gt=0, description="Seconds a tool call may take.")
    client_tool_timeout_s: float = Field(
        300.0, gt=0, le=86_400, description="Seconds a client may take to answer a tool call."
    )
    model_timeout_s: float = Field(
        120.0, gt=0, description="Seconds a model may stay silent in a call."
    )
    max_queued_messages: int = Field(
        100, ge=1, description="Messages a session takes while its turn has not read them."
    )
    max_session_bytes: int = Field(
        128 * 1024 * 1024,
        ge=1024,
        description="Bytes of a session's events after which it takes no more messages.",
    )

    # Streams
    heartbeat_s: float = Field(10.0, gt=0, description="Seconds between heartbeats of a stream.")
    stream_cycle_s: float = Field(
        3600.0, gt=0, description="Seconds after which a stream is asked to reconnect."
    )
    delta_pace_ms: float = Field(
        25.0, ge=0, description="Least milliseconds between two deltas of one stream."
    )

    # Tools
    allow_private_addresses: bool = Field(
        False, description="Let web_fetch reach loopback and private networks."
    )

    # Vendor keys under their usual names
    openai_api_key: SecretStr | None = Field(None, description="Key of the provider 'openai'.")
    anthropic_api_key: SecretStr | None = Field(
        None, description="Key of the provider 'anthropic'."
    )

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the HTTP API."""
        return self.host in LOOPBACK_HOSTS

    def check_exposure(self) -> None:
        """Refuse to serve everybody on a network without asking who they are.

        Raises:
            InvalidRequest: The address is not loopback and ``auth`` is ``none``.
        """
        if self.auth == "none" and not self.is_loopback and not self.allow_open_network:
            raise InvalidRequest(
                f"Others can reach {self.host}, and auth is none. Use --auth api_keys (see "
                "`everruns keys create`), or say that an open server is meant with "
                "--allow-open-network."
            )

    def public(self) -> dict[str, Any]:
        """Return the settings that are no secrets, as ``load_settings`` takes them."""
        return {
            name: value
            for name, value in self.model_dump(mode="json", exclude_none=True).items()
            if not isinstance(getattr(self, name), SecretStr)
        }

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: flags, environment, vendors' variables, file."""
        vendor = {
            f"{name}_api_key": os.environ[f"{name.upper()}_API_KEY"]
            for name in ("openai", "anthropic")
            if os.environ.get(f"{name.upper()}_API_KEY")
        }
        return (
            init_settings,
            env_settings,
            InitSettingsSource(settings_cls, vendor),
            InitSettingsSource(settings_cls, _read_file(os.environ.get("EVERRUNS_CONFIG"))),
        )


def load_settings(config: Path | None = None, **flags: Any) -> Settings:
    """Read the settings.

    Args:
        config: A TOML file; without it, the one that ``EVERRUNS_CONFIG`` names, if any.
        flags: Settings given on the command line; ``None`` means not given.

    Raises:
        InvalidRequest: A setting is wrong. The message names it and what would be right.
    """
    if config is not None:
        os.environ["EVERRUNS_CONFIG"] = str(config)
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
        raise InvalidRequest(f"Settings are not valid. {problems}") from None


def _read_file(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The settings file {path} cannot be read: {error}") from None


def set_environment(variables: dict[str, str]) -> None:
    """Set variables for the processes that are started from here; those set already win."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)
