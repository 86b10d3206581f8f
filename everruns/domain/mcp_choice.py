"""Which MCP servers a turn uses, and what an agent's config narrows.

Source: docs/contract.md, "Resources", MCP server.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from everruns.domain.agents import CapabilityConfig
from everruns.domain.mcp_servers import ApprovalPolicy, McpAccount

MCP_PREFIX = "mcp:"
"""The beginning of the ids of capabilities that stand for servers of the catalogue."""


def catalogue_name(ref: str) -> str | None:
    """Return the name of the server that a capability stands for, if it stands for one."""
    return ref.removeprefix(MCP_PREFIX) if ref.startswith(MCP_PREFIX) else None


def chosen_accounts(
    inline: Iterable[McpAccount],
    capabilities: Sequence[CapabilityConfig],
    catalogue: Iterable[McpAccount],
) -> dict[str, McpAccount]:
    """Return the servers that a turn uses, by name; of several with one name the first counts.

    Args:
        inline: Those of the session's map, then those of the agent's.
        capabilities: The capabilities of the agent, then those of the session. One that names a
            server which is not there is passed over.
        catalogue: The servers of the configuration and the catalogue.
    """
    known = {account.name: account for account in catalogue}
    chosen: dict[str, McpAccount] = {}
    for account in inline:
        chosen.setdefault(account.name, account)
    for used in capabilities:
        name = catalogue_name(used.ref)
        if name is not None and name in known:
            chosen.setdefault(name, narrowed(known[name], used.config or {}))
    return chosen


def narrowed(account: McpAccount, config: Mapping[str, Any]) -> McpAccount:
    """Return a server with the limits of an agent's config, which can only add to its own.

    Args:
        account: The server.
        config: Checked against the schema of its capability.
    """
    allowed: list[str] | None = config.get("allowed_tools")
    if allowed is None:
        allowed = account.allowed_tools
    elif account.allowed_tools is not None:
        wanted = set(allowed)
        allowed = [name for name in account.allowed_tools if name in wanted]
    required = _stricter(account.require_approval, config.get("require_approval", "never"))
    return account.model_copy(update={"allowed_tools": allowed, "require_approval": required})


def _stricter(one: ApprovalPolicy, other: ApprovalPolicy) -> ApprovalPolicy:
    """Return the rule that holds every call that either of two rules holds."""
    if "always" in (one, other):
        return "always"
    names = [name for rule in (one, other) if rule != "never" for name in rule]
    return list(dict.fromkeys(names)) or "never"
