"""The kinds of values that settings have, each with the form in which it is written.

A refusal says in the words of whoever writes a setting what would be right.
"""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from everruns.domain.mcp_servers import McpProgram, McpServerName
from everruns.origins import host_pattern, origin_pattern
from everruns.telemetry.variables import check_headers, checked_pairs

MAX_PORT = 65_535

_DATABASE_SCHEMES = ("postgresql://", "postgresql+psycopg://")
_PROXY = re.compile(r"environment|https?://[^\s/?#]+/?")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+(/[A-Za-z0-9._~/-]*)?")
_PORTS = re.compile(r"\d{1,5}-\d{1,5}")


def ports_of(written: str) -> range:
    """Return a range of ports from its form, such as 20000-20099; none from an empty one."""
    if not written:
        return range(0)
    first, last = map(int, written.split("-"))
    return range(first, last + 1)


def _entries(value: Any) -> Any:
    """Parse a list that is written as JSON or separated by commas."""
    if not isinstance(value, str):
        return value
    try:
        entries = json.loads(value)
    except ValueError:
        entries = None
    if isinstance(entries, list):
        return cast("list[Any]", entries)
    return [entry.strip() for entry in value.split(",") if entry.strip()]


def _table(value: Any) -> Any:
    """Parse a table that is written as JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("must be a table in a TOML file, or an object as JSON") from None


def _when(value: Any) -> Any:
    """Return when the dashboard runs; older configurations say yes or no, in Pydantic's words."""
    word = str(value).lower()
    if word in {"on", "true", "t", "yes", "y", "1"}:
        return "on"
    return "off" if word in {"off", "false", "f", "no", "n", "0"} else value


def _address(url: str) -> str:
    if not _ADDRESS.fullmatch(url):
        raise ValueError("must be an address such as https://agents.example.com, without a query")
    return url.rstrip("/")


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _of_postgresql(url: SecretStr | None) -> SecretStr | None:
    if url is not None and not url.get_secret_value().startswith(_DATABASE_SCHEMES):
        raise ValueError("must be like postgresql://user:password@host:5432/database")
    return url


def _for_http(proxy: SecretStr | None) -> SecretStr | None:
    if proxy is not None and not _PROXY.fullmatch(proxy.get_secret_value()):
        raise ValueError("must be an address such as http://proxy:3128, or `environment`")
    return proxy


def _headers(headers: SecretStr | None) -> SecretStr | None:
    if headers is not None:
        check_headers(headers.get_secret_value())
    return headers


def _range_of_ports(ports: str) -> str:
    first, last = map(int, ports.split("-")) if _PORTS.fullmatch(ports) else (1, 0)
    if ports and not 1 <= first <= last <= MAX_PORT:
        raise ValueError("must be a range of ports such as 20000-20099")
    return ports


Hosts = Annotated[
    tuple[Annotated[str, AfterValidator(host_pattern)], ...], NoDecode, BeforeValidator(_entries)
]
Origins = Annotated[
    tuple[Annotated[str, AfterValidator(origin_pattern)], ...], NoDecode, BeforeValidator(_entries)
]
McpPrograms = Annotated[dict[McpServerName, McpProgram], NoDecode, BeforeValidator(_table)]
DashboardTime = Annotated[Literal["on_demand", "on", "off"], BeforeValidator(_when)]
WebAddress = Annotated[str, AfterValidator(_address)]
Directory = Annotated[Path, AfterValidator(_absolute)]
DatabaseAddress = Annotated[SecretStr | None, AfterValidator(_of_postgresql)]
ProxyAddress = Annotated[SecretStr | None, AfterValidator(_for_http)]
RequestHeaders = Annotated[SecretStr | None, AfterValidator(_headers)]
Pairs = Annotated[str, AfterValidator(checked_pairs)]
PortRange = Annotated[str, AfterValidator(_range_of_ports)]
