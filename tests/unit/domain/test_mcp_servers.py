"""What a client may say of MCP servers, and what an agent's config makes of one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from everruns.domain.agents import AgentInput, CapabilityConfig
from everruns.domain.mcp_choice import chosen_accounts, narrowed
from everruns.domain.mcp_servers import (
    GivenMcpServer,
    McpAccount,
    McpProgram,
    McpServerInput,
    shown,
)

URL = "https://tickets.example.com/mcp"
TOOLS = ["open", "close", "list", "delete"]
NAMES = st.lists(st.sampled_from(TOOLS), unique=True)
RULES = st.sampled_from(["always", "never"]) | NAMES


def account(name: str = "tickets", **fields: object) -> McpAccount:
    return McpAccount.model_validate({"name": name, "url": URL, **fields})


def offers(account: McpAccount, tool: str) -> bool:
    return account.allowed_tools is None or tool in account.allowed_tools


def holds(account: McpAccount, tool: str) -> bool:
    rule = account.require_approval
    return rule == "always" or (rule != "never" and tool in rule)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@tickets.example.com/mcp",
        "https://secret@tickets.example.com",
        "ftp://tickets.example.com",
        "tickets.example.com/mcp",
        "https://",
        "https://tickets.example.com/mcp#part",
        "https://tickets.example.com/a b",
        f"https://{'x' * 2048}",
    ],
)
def test_an_address_without_a_host_or_with_credentials_is_refused(url: str):
    with pytest.raises(ValidationError):
        GivenMcpServer.model_validate({"url": url})


@pytest.mark.parametrize(
    "url", [URL, "http://127.0.0.1:8000", "http://[::1]:80/mcp", f"{URL}?project=a%20b&x=1"]
)
def test_an_address_may_have_a_port_a_path_and_a_query(url: str):
    assert GivenMcpServer.model_validate({"url": url}).url == url


@pytest.mark.parametrize(
    "server", [{"type": "stdio", "url": URL}, {"command": "npx", "args": ["server"]}]
)
def test_a_program_is_refused_with_where_it_can_be_named(server: dict):
    with pytest.raises(ValidationError, match=r"configuration, as mcp_servers\.NAME"):
        GivenMcpServer.model_validate(server)


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "a/b", "ü", "a" * 65])
def test_a_name_that_no_tool_could_begin_with_is_refused(name: str):
    for model, value in (
        (McpServerInput, {"name": name, "url": URL}),
        (AgentInput, {"name": "a", "mcp_servers": {name: {"url": URL}}}),
    ):
        with pytest.raises(ValidationError):
            model.model_validate(value)


def test_an_agent_brings_along_a_bounded_number_of_servers():
    servers = {f"s{number}": {"url": URL} for number in range(21)}
    with pytest.raises(ValidationError):
        AgentInput.model_validate({"name": "a", "mcp_servers": servers})
    del servers["s0"]
    assert len(AgentInput.model_validate({"name": "a", "mcp_servers": servers}).mcp_servers) == 20


def test_the_map_may_be_spelled_as_in_other_programs_files():
    agent = AgentInput.model_validate({"name": "a", "mcpServers": {"tickets": {"url": URL}}})
    assert agent.mcp_servers["tickets"].url == URL
    assert "mcp_servers" in agent.changes()


def test_a_configured_program_is_shown_without_the_values_of_its_environment():
    program = McpProgram(command="npx", args=["-y", "files"], env={"TOKEN": SecretStr("s3cret")})
    account = program.account("files")
    assert account.command == ["npx", "-y", "files"]
    assert account.environment["TOKEN"].get_secret_value() == "s3cret"

    server = shown(account)
    assert (server.type, server.command) == ("stdio", ["npx", "-y", "files"])
    assert server.environment == {"TOKEN": "***"}
    assert server.id == shown(account).id != shown(program.account("other")).id


@given(own=NAMES | st.none(), wanted=NAMES | st.none(), required=RULES, more=RULES | st.none())
def test_a_config_can_only_narrow_what_is_offered_and_hold_more(own, wanted, required, more):
    server = account(allowed_tools=own, require_approval=required)
    config = {"allowed_tools": wanted, "require_approval": more}
    limited = narrowed(server, {name: value for name, value in config.items() if value is not None})

    for tool in TOOLS:
        is_wanted = wanted is None or tool in wanted
        assert offers(limited, tool) == (offers(server, tool) and is_wanted)
        is_more = more is not None and holds(account(require_approval=more), tool)
        assert holds(limited, tool) == (holds(server, tool) or is_more)
    assert limited.name == server.name


def test_a_turn_uses_the_first_server_of_a_name_and_passes_over_those_that_are_gone():
    of_session, of_agent = account("a", url="https://session/"), account("a", url="https://agent/")
    catalogue = [account("b"), account("c"), account("a")]
    used = [
        CapabilityConfig(ref="mcp:a"),
        CapabilityConfig(ref="mcp:b", config={"allowed_tools": ["open"]}),
        CapabilityConfig(ref="mcp:b"),
        CapabilityConfig(ref="mcp:gone"),
        CapabilityConfig(ref="current_time"),
    ]

    chosen = chosen_accounts([of_session, of_agent], used, catalogue)

    assert {name: server.url for name, server in chosen.items()} == {
        "a": "https://session/",
        "b": URL,
    }
    assert chosen["b"].allowed_tools == ["open"]
