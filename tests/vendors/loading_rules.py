"""What Anthropic refuses of tools that are loaded once they are found.

Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-search-tool, "Error
handling" and "Prompt caching"; https://github.com/router-for-me/CLIProxyAPI/issues/4561 (the words
about the cache).
"""

from collections.abc import Iterator
from typing import Any

Body = dict[str, Any]


def loading_problems(body: Body) -> Iterator[str]:
    """Yield what is wrong with a request's deferred tools and the references to them."""
    tools = body.get("tools") or []
    deferred = {tool["name"] for tool in tools if tool.get("defer_loading")}
    if tools and len(deferred) == len(tools):
        yield "At least one tool must have defer_loading=false. All tools cannot be deferred."
    for tool in tools:
        if tool["name"] in deferred and "cache_control" in tool:
            yield (
                f"Tool '{tool['name']}' cannot have both defer_loading=true and cache_control set. "
                "Tools with defer_loading cannot use prompt caching."
            )
    yield from _reference_problems(body.get("messages") or [], deferred)


def _reference_problems(messages: list[Body], deferred: set[str]) -> Iterator[str]:
    loaded: set[str] = set()
    for at, message in enumerate(messages):
        for block in message["content"]:
            # No document says that this is refused, and none that it is not.
            if block["type"] == "tool_use" and block["name"] in deferred - loaded:
                yield f"messages.{at}: {block['name']} is called before it is loaded"
        for block in message["content"]:
            inner = block.get("content")
            if block["type"] != "tool_result" or not isinstance(inner, list):
                continue
            names = [part["tool_name"] for part in inner if part["type"] == "tool_reference"]
            # Source: the same of a client that sends such results. The documents show no others.
            if names and len(names) < len(inner):
                yield f"messages.{at}: tool_reference blocks must not stand beside others"
            if len(set(names)) < len(names):
                yield f"messages.{at}: a tool is loaded twice at once"
            for name in names:
                if name not in deferred:
                    yield f"Tool reference '{name}' not found in available tools"
            loaded.update(names)
