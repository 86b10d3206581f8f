"""Which tools a query finds, and in what order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.domain.tool_ranking import rank_tools, words_of
from everruns.domain.tools import ToolDefinition


def tool(
    name: str, description: str = "", *parameters: str, title: str | None = None
) -> ToolDefinition:
    schema = {"type": "object", "properties": {parameter: {} for parameter in parameters}}
    return ToolDefinition(name=name, description=description, parameters=schema, display_name=title)


TOOLS = [
    tool("mcp_github__create_issue", "Create a new issue in a repository.", "title", "body"),
    tool("mcp_github__list_issues", "List the issues of a repository.", "state"),
    tool("mcp_github__mergePullRequest", "Merge a pull request.", "squash"),
    tool("send-mail", "Send a message to somebody, for example about an issue.", "recipient"),
    tool("wetter_abfragen", "Gibt die Temperatur in München oder Köln zurück.", "ort"),
    tool("get_forecast", "天気予報を取得します。", "city"),
    tool("find_order", "Находит заказ по номеру."),
    tool("x9", "Opaque.", title="Launch rocket"),
]


def found(query: str) -> list[str]:
    return [found.name for found in rank_tools(TOOLS, query)]


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("create an issue", "mcp_github__create_issue"),
        ("issue list", "mcp_github__list_issues"),
        ("merge pull request", "mcp_github__mergePullRequest"),
        ("mail", "send-mail"),
        ("recipient", "send-mail"),
        ("TEMPERATUR in MÜNCHEN", "wetter_abfragen"),
        ("Mu\u0308nchen", "wetter_abfragen"),
        ("天気", "get_forecast"),
        ("заказ", "find_order"),
        ("rocket", "x9"),
        ("squa", "mcp_github__mergePullRequest"),
    ],
)
def test_the_tool_that_is_meant_comes_first(query: str, best: str):
    assert found(query)[0] == best


def test_a_name_counts_more_than_a_mention():
    names = found("issue")
    assert names.index("mcp_github__list_issues") < names.index("send-mail")


def test_tools_that_are_named_come_first_in_the_order_of_the_query():
    names = found("send-mail, mcp_github__list_issues create issue")
    assert names[:2] == ["send-mail", "mcp_github__list_issues"]
    assert found("MCP_GITHUB__MERGEPULLREQUEST")[0] == "mcp_github__mergePullRequest"


@pytest.mark.parametrize("query", ["", " ", "quaternion", "_-", "🙂"])
def test_nothing_is_found_for_what_no_tool_says(query: str):
    assert found(query) == []


def test_names_are_taken_apart():
    assert list(words_of("readHTTPFile2")) == ["readhttpfile2", "read", "http", "file2"]
    assert list(words_of("list_open-issues")) == ["list", "open", "issue"]


NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True)
CATALOGUES = st.lists(
    st.builds(tool, NAMES, st.text(max_size=20)),
    min_size=1,
    max_size=6,
    unique_by=lambda tool: tool.name,
)


@given(CATALOGUES, st.text(max_size=40))
def test_any_query_finds_each_tool_at_most_once_and_always_the_same(
    tools: list[ToolDefinition], query: str
):
    ranked = [found.name for found in rank_tools(tools, query)]
    assert ranked == [found.name for found in rank_tools(tools, query)]
    assert len(set(ranked)) == len(ranked) <= len(tools)


@given(CATALOGUES, st.data())
def test_an_exact_name_is_always_first(tools: list[ToolDefinition], data: st.DataObject):
    wanted = data.draw(st.sampled_from(tools))
    assert rank_tools(tools, wanted.name)[0].name == wanted.name
