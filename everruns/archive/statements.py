"""What a query may be: one SELECT over the views, without functions that reach beyond them.

The database itself is locked (``everruns.archive.engine``), but within the archive's folder it
could still read files of deleted sessions or write new ones. And the type of a statement says
little: ``WITH a AS (COPY …) SELECT …`` is a SELECT to the database, and writes a file. So the
query is checked as the database has parsed it, against what is known to be harmless.
"""

import re
from collections.abc import Iterator
from typing import Any, cast

import orjson

from everruns.archive.views import NAMES

MAX_DEPTH = 500

CLAUSES = frozenset(
    {
        *("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"),
        *("EMPTY", "SUBQUERY", "EXPRESSION_LIST", "JOIN", "PIVOT"),
        *("BASE_TABLE", "TABLE_FUNCTION", "SHOW_REF"),
        *("DISTINCT_MODIFIER", "ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER"),
        *("ASCENDING", "DESCENDING", "ORDER_DEFAULT"),
    }
)
"""The parts of a query besides expressions; the last three rows but one are looked at closely."""

SHOWN = frozenset({"DESCRIBE", "SUMMARY"})

TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "json_each", "json_tree"})
"""What makes rows of its arguments alone. All others read files, settings or other databases."""

REFUSED_FUNCTIONS = frozenset(
    {
        *("current_setting", "getenv", "getvariable", "which_secret", "write_log"),
        *("json_serialize_plan", "nextval", "currval", "setval", "sleep_ms", "pg_sleep"),
        *("pg_get_viewdef", "pg_get_constraintdef", "get_block_size"),
    }
)
"""Functions in expressions that show how the database is set up, or do something else than
compute."""

# Nothing that could be the path of a file, or a view of the database's own.
_NAME = re.compile(r"(?!duckdb_|pg_|pragma_|sqlite_)[a-z_][a-z0-9_]*", re.IGNORECASE)


class Refused(Exception):
    """A query is not allowed; the message says why."""


def check_statement(parsed: str) -> None:
    """Check a query.

    Args:
        parsed: The query as ``json_serialize_sql`` returns it.

    Raises:
        Refused: It is not allowed.
    """
    try:
        tree = orjson.loads(parsed)
    except orjson.JSONDecodeError:
        raise Refused("The query is nested too deeply.") from None
    if tree["error"]:
        if tree["error_type"] == "not implemented":
            raise Refused(_ONLY_SELECT)
        raise Refused(f"{tree['error_message'].rstrip('.')}.")
    if len(tree["statements"]) != 1:
        raise Refused("Send exactly one query.")
    nodes = list(_nodes(tree["statements"][0]))
    named = {
        entry["key"].lower()
        for node in nodes
        for entry in node.get("cte_map", {}).get("map", [])
        if _NAME.fullmatch(entry["key"])
    }
    for node in nodes:
        if "class" in node:
            _check_function(node)
        elif isinstance(node.get("type"), str):
            _check_clause(node, named)


_ONLY_SELECT = "Only SELECT is allowed (and DESCRIBE, SUMMARIZE, SHOW TABLES)."


def _nodes(root: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects of a tree, level by level."""
    level = [root]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                node = cast("dict[str, Any]", value)
                yield node
                below += node.values()
            elif isinstance(value, list):
                below += cast("list[Any]", value)
        if not below:
            return
        level = below
    raise Refused("The query is nested too deeply.")


def _check_function(node: dict[str, Any]) -> None:
    name = str(node.get("function_name", "")).lower()
    if name in REFUSED_FUNCTIONS:
        raise Refused(f"The function {name} is not allowed.")


def _check_clause(node: dict[str, Any], named: set[str]) -> None:
    kind = node["type"]
    if kind not in CLAUSES:
        raise Refused(_ONLY_SELECT)
    if kind == "BASE_TABLE":
        _check_table([part.lower() for part in node["qualified_name"]["path"]], named)
    elif kind == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name", "")).lower()
        if name not in TABLE_FUNCTIONS:
            raise Refused(
                f"The table function {name[:64]} is not allowed. Query the views: "
                f"{', '.join(sorted(NAMES))}."
            )
    elif kind == "SHOW_REF" and node["show_type"] not in SHOWN and not _lists_views(node):
        raise Refused(_ONLY_SELECT)


def _check_table(path: list[str], named: set[str]) -> None:
    *schema, name = path
    is_view = schema in ([], ["main"]) and name in NAMES
    if not is_view and (schema or name not in named):
        raise Refused(
            f"There is no view {'.'.join(path)[:64]!r}. There are: {', '.join(sorted(NAMES))}."
        )


def _lists_views(node: dict[str, Any]) -> bool:
    return node["show_type"] == "SHOW_SPECIAL" and node["table_name"] == '"tables"'
