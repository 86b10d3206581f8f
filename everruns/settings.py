"""Settings: one frozen model, read once.

Each setting comes from the first of these that gives it: a command-line flag, an ``EVERRUNS_*``
environment variable, a TOML file, the default here. Only this module,
``everruns.settings_loading`` and ``everruns.process_environment`` read the environment.
"""

import os
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from everruns.domain.mcp_servers import McpAccount
from everruns.domain.waits import MAX_WAIT_S
from everruns.errors import InvalidRequest
from everruns.log import LogLevel
from everruns.origins import ANYTHING
from everruns.setting_sources import of_file, of_others
from everruns.setting_values import (
    DashboardTime,
    DatabaseAddress,
    Directory,
    Hosts,
    McpPrograms,
    Origins,
    Pairs,
    PortRange,
    ProxyAddress,
    RequestHeaders,
    WebAddress,
    ports_of,
)

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
PREFIX = "EVERRUNS_"
CONFIG_VARIABLE = "EVERRUNS_CONFIG"


class Settings(BaseSettings):
    """Everything that a deployment can configure."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    # Addresses and storage
    host: str = Field("127.0.0.1", description="Address the HTTP API listens on.")
    port: int = Field(9300, ge=0, le=65535, description="Port of the HTTP API; 0 takes a free one.")
    data_dir: Directory = Field(
        Path.home() / ".everruns", description="Directory of the database and keys."
    )
    database_url: DatabaseAddress = Field(
        None,
        description="`postgresql://user:password@host/database`. Default: DuckDB in data_dir.",
    )
    archive: bool = Field(
        True,
        description="Keep what is queried of all logs as Parquet in data_dir/archive, for SQL and "
        "usage; `false` deletes it at the start.",
    )
    demonstration: bool = Field(
        True,
        description="Add an agent that shows tools, questions and approvals, and its simulated "
        "provider, once to an installation without agents.",
    )
    encryption_key: SecretStr | None = Field(
        None,
        description="Base64 of 32 bytes that encrypt keys, headers and authorizations of providers "
        "and MCP servers. Default: a file in data_dir.",
    )

    # Access
    auth: Literal["none", "api_keys"] = Field(
        "none", description="How requests authenticate: `none` or `api_keys`."
    )
    allow_open_network: bool = Field(
        False, description="Accept auth=none on an address that others can reach."
    )
    allowed_hosts: Hosts = Field(
        (), description="Additional host names of this server; `*.example.com` works too."
    )
    allowed_origins: Origins = Field(
        (), description="Origins whose web pages may call this server (CORS)."
    )
    public_url: WebAddress | None = Field(
        None,
        description="Address at which browsers reach this server, such as "
        "`https://agents.example.com`; people come back to it from pages of consent of MCP "
        "servers. Default: host and port, if the host is loopback.",
    )
    console: bool = Field(True, description="Serve the console, the page at `/`.")
    docs: bool = Field(True, description="Serve /swagger-ui/ and /api-doc/openapi.json.")
    max_body_bytes: int = Field(
        9 * 1024 * 1024, ge=1024, description="Largest request body in bytes."
    )
    body_timeout_s: float = Field(
        60.0, gt=0, description="Seconds within which a request's body must arrive."
    )

    # The log
    log_level: LogLevel = Field(
        "info", description="Lowest level that is logged: `debug`, `info`, `warning` or `error`."
    )
    log_requests: bool = Field(True, description="Log a line for each request.")
    max_log_bytes: int = Field(
        256 * 1024 * 1024,
        ge=64 * 1024,
        description="Bytes of log files kept of each process; not for a joined cluster.",
    )

    # The cluster
    ray_address: str | None = Field(
        None, description="Address of a Ray cluster to join. Default: start one."
    )
    dashboard: DashboardTime = Field(
        "on_demand",
        description="When the Ray dashboard runs, on loopback: `on_demand`, while "
        "`everruns dashboard` does; `on`, with the server; or `off`.",
    )
    dashboard_port: int = Field(
        8265, ge=0, le=65535, description="Port of the Ray dashboard; if taken, a free one is used."
    )
    node_ports: PortRange = Field(
        "",
        description="Ports for calls between nodes, such as 20000-20099. Default: any free ones.",
    )
    serving: Literal["serve", "direct"] = Field(
        "serve",
        description="What serves the API: `serve` is Ray Serve; `direct` is one process without "
        "Ray Serve, on one machine, which takes less memory.",
    )
    replicas: int = Field(1, ge=1, le=64, description="API replicas.")
    max_replicas: int = Field(
        0,
        ge=0,
        le=1024,
        description="Most API replicas in a joined cluster, one for every 2,000 requests and "
        "streams under way; 0 means no more than `replicas`.",
    )
    warm_session_actors: int = Field(1, ge=1, description="Empty session actors kept ready.")
    max_session_actors: int = Field(
        0,
        ge=0,
        description="Maximum number of session actors; 0 means as many as the nodes carry, 2 per "
        "CPU by default.",
    )
    session_actor_cpus: float | None = Field(
        None,
        ge=0,
        le=64,
        description="CPUs that a session actor reserves. Default: 0 in a cluster of the server's "
        "own, 0.5 in a joined one.",
    )
    sessions_per_actor: int = Field(
        1024, ge=1, description="Maximum live sessions per session actor."
    )
    session_actor_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1024,
        description="Bytes of sessions from which on a session actor takes no more.",
    )
    hibernate_after_s: float = Field(
        60.0, gt=0, description="Seconds after which an idle session is unloaded from memory."
    )

    # Turns
    max_iterations: int = Field(100, ge=1, description="Default limit of model calls per turn.")
    max_repeated_calls: int = Field(
        10, ge=0, description="Same calls with the same results that end a turn; 0 for no limit."
    )
    max_listed_tools: int = Field(
        40,
        ge=0,
        description="Tools above which a model searches for most of them instead of being shown "
        "all; 0 means never.",
    )
    tool_timeout_s: float = Field(60.0, gt=0, description="Seconds that a tool call may take.")
    client_tool_timeout_s: float = Field(
        300.0,
        ge=0,
        le=MAX_WAIT_S,
        description="Seconds that a client may take to answer a tool call; 0 means no limit.",
    )
    question_timeout_s: float = Field(
        86_400.0,
        ge=0,
        le=MAX_WAIT_S,
        description="Seconds that a user may take to answer a question; 0 means no limit.",
    )
    approval_timeout_s: float = Field(
        86_400.0,
        ge=0,
        le=MAX_WAIT_S,
        description="Seconds that a tool call is held for approval; 0 means no limit.",
    )
    model_timeout_s: float = Field(
        120.0, gt=0, description="Seconds without data from a model after which a call fails."
    )
    model_call_timeout_s: float = Field(
        1800.0, gt=0, description="Seconds that a model's whole answer may take, retries included."
    )
    max_queued_messages: int = Field(
        100, ge=1, description="Messages that may wait for a session's turn to read them."
    )
    compaction_share: float = Field(
        0.8,
        ge=0,
        le=1,
        description="Share of a model's context from which on older messages are compacted; 0 "
        "means never.",
    )
    compaction_kept_results: int = Field(
        5, ge=0, description="Newest tool results that a compaction leaves as they are."
    )
    max_session_bytes: int = Field(
        128 * 1024 * 1024,
        ge=1024,
        description="Bytes of events after which a session accepts no more messages.",
    )

    # Network access to models
    model_proxy: ProxyAddress = Field(
        None,
        description="URL of an HTTP proxy for model calls, or `environment` to use `HTTP_PROXY`.",
    )
    model_proxy_exceptions: str = Field(
        "", description="Hosts to reach without the proxy, separated by commas."
    )

    # Streams
    heartbeat_s: float = Field(10.0, gt=0, description="Seconds between heartbeats of a stream.")
    stream_cycle_s: float = Field(
        3600.0, gt=0, description="Seconds after which a stream's reader is asked to reconnect."
    )
    delta_pace_ms: float = Field(
        25.0, ge=0, description="Minimum milliseconds between two deltas of a stream."
    )

    # Tools
    allow_private_addresses: bool = Field(
        False,
        description="Let web_fetch, and connections to MCP servers, reach loopback and private "
        "networks.",
    )
    mcp_servers: McpPrograms = Field(
        {},
        description="MCP servers that are programs: a table by name, each with `command`, "
        "`args`, `env`, `allowed_tools` and `require_approval`.",
    )

    # Traces
    trace_endpoint: WebAddress | None = Field(
        None,
        description="URL that takes traces by OTLP over HTTP, such as "
        "`http://127.0.0.1:4318/v1/traces`; see [traces](docs/observability.md#traces). Default: "
        "none are sent.",
    )
    trace_headers: RequestHeaders = Field(
        None, description="Headers of requests to it: `name=value,name=value`, values URL-encoded."
    )
    trace_resource: Pairs = Field(
        "",
        description="What all spans say of the server: `name=value,name=value`, values "
        "URL-encoded; `service.name` is `everruns` by default.",
    )
    trace_sample: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of turns whose traces are sent; those that fail or take more than 30 s "
        "of work are always sent.",
    )
    trace_content: bool = Field(
        False, description="Let spans hold what users, models and tools say."
    )

    # Vendor keys under their usual names
    openai_api_key: SecretStr | None = Field(None, description="Key of the provider 'openai'.")
    anthropic_api_key: SecretStr | None = Field(
        None, description="Key of the provider 'anthropic'."
    )

    @property
    def node_port_range(self) -> range:
        """The ports for calls between nodes; empty if any free ones are taken."""
        return ports_of(self.node_ports)

    @property
    def mcp_programs(self) -> list[McpAccount]:
        """The MCP servers that are programs, with their secrets."""
        return [program.account(name) for name, program in self.mcp_servers.items()]

    @property
    def browser_url(self) -> str | None:
        """The address at which browsers reach this server, if it is known."""
        if self.public_url is not None or not (self.is_loopback and self.port):
            return self.public_url
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the HTTP API."""
        return self.host in LOOPBACK_HOSTS

    @property
    def is_open(self) -> bool:
        """Whether other machines can use the HTTP API without a credential."""
        return self.auth == "none" and not self.is_loopback

    @classmethod
    def secret_names(cls) -> frozenset[str]:
        """Return the names of the settings that hold secrets."""
        # Programs have theirs in their arguments and environment.
        typed = {n for n, field in cls.model_fields.items() if _holds(SecretStr, field.annotation)}
        return frozenset({"mcp_servers", *typed})

    def check_exposure(self) -> None:
        """Refuse to serve a network or every web page without API keys.

        Raises:
            InvalidRequest: ``auth`` is ``none``, and the address is not loopback or every host or
                origin is allowed.
        """
        for name in ("allowed_hosts", "allowed_origins"):
            if self.auth == "none" and ANYTHING in getattr(self, name):
                raise InvalidRequest(
                    f"{name} is *, and auth is none: any web page could use this server. List "
                    f"the allowed ones in {name}, or use --auth api_keys."
                )
        if self.is_open and not self.allow_open_network:
            raise InvalidRequest(
                f"Other machines can reach {self.host}, and auth is none. Use --auth api_keys (see "
                "`everruns keys create`), or say that an open server is meant with "
                "--allow-open-network."
            )

    def check_serving(self) -> None:
        """Refuse settings for which Ray Serve is needed and not used.

        Raises:
            InvalidRequest: ``serving`` is ``direct``, and a cluster is to be joined or there are to
                be several API replicas.
        """
        if self.serving == "serve":
            return
        needed = {
            "ray_address": self.ray_address is not None,
            "replicas": self.replicas > 1,
            "max_replicas": self.max_replicas > 1,
        }
        if asked := [name for name, is_asked in needed.items() if is_asked]:
            raise InvalidRequest(
                f"serving is direct, which is one API process on one machine, but "
                f"{' and '.join(asked)} asks for more. Leave {' and '.join(asked)} out, or set "
                "serving to serve."
            )

    def public(self) -> dict[str, Any]:
        """Return the settings that are not secrets, in the form that ``load_settings`` takes."""
        return {
            name: value
            for name, value in self.model_dump(mode="json", exclude_none=True).items()
            if name not in self.secret_names()
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
        return (
            init_settings,
            env_settings,
            InitSettingsSource(settings_cls, of_others(os.environ)),
            InitSettingsSource(settings_cls, of_file(os.environ.get(CONFIG_VARIABLE))),
        )


def _holds(kind: type, annotation: Any) -> bool:
    """Tell whether an annotation is a type, or a union with it."""
    return annotation is kind or kind in get_args(annotation)
