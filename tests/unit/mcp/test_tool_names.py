"""The names of servers' tools: every provider takes them, and no two are the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from everruns.domain.forms import TOOL_NAME
from everruns.mcp.names import tool_name, tool_names

SERVERS = some.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True)
TOOLS = some.text(min_size=1, max_size=200) | some.text("ab_.", min_size=1, max_size=5)


def test_a_plain_name_says_which_server_and_which_tool():
    assert tool_name("github", "create_issue") == "mcp_github__create_issue"


@pytest.mark.parametrize("name", ["list.files", "ls/all", "größe", "x" * 80, "🛠", "\ud800"])
def test_a_name_that_providers_refuse_is_changed_and_marked(name):
    assert re.fullmatch(r"mcp_fs__[A-Za-z0-9_-]*_[0-9a-f]{8}", tool_name("fs", name))


def test_long_names_with_the_same_beginning_stay_two():
    names = tool_names("s", [f"{'long' * 20}_{end}" for end in ("read", "write")])
    assert len(set(names.values())) == 2


@given(SERVERS, some.lists(TOOLS, max_size=20))
def test_every_provider_takes_every_name_and_they_are_unique(server, tools):
    names = tool_names(server, tools)
    assert names.keys() == set(tools)
    assert len(set(names.values())) == len(names)
    assert all(re.fullmatch(TOOL_NAME, name) for name in names.values())


@given(SERVERS, some.lists(TOOLS, max_size=20), some.randoms())
def test_names_do_not_depend_on_the_order_of_a_list(server, tools, random):
    shuffled = [*tools]
    random.shuffle(shuffled)
    assert tool_names(server, shuffled) == tool_names(server, tools)


@given(some.lists(some.tuples(some.text("ab_", min_size=1, max_size=4), TOOLS), unique=True))
def test_tools_of_two_servers_never_share_a_name(pairs):
    assert len({tool_name(server, tool) for server, tool in pairs}) == len(pairs)
