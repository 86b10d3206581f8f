"""Queries of the archive, and their answers.

Source: docs/contract.md, "SQL" and "Usage".
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from everruns.domain.base import Model

LONGEST_QUERY = 64 * 1024
MAX_PARAMETERS = 100
LONGEST_PARAMETER = 64 * 1024
MAX_ROWS = 10_000

AnswerForm = Literal["json", "csv", "parquet"]
QueryKind = Literal["sql", "usage"]

Parameter = bool | int | float | Annotated[str, Field(max_length=LONGEST_PARAMETER)] | None


class SqlInput(Model):
    """A query in SQL over the views of the archive."""

    query: Annotated[str, Field(min_length=1, max_length=LONGEST_QUERY)] = Field(
        description="One SELECT in DuckDB's SQL over the views sessions, messages, turns, "
        "model_calls, tool_calls, usage_daily and events."
    )
    parameters: Annotated[list[Parameter], Field(max_length=MAX_PARAMETERS)] = Field(
        default_factory=list[Parameter],
        description="The values of ? or $1, $2 in the query, in this order.",
    )
    format: AnswerForm = Field("json", description="The form of the answer.")


class SqlColumn(Model):
    """A column of an answer."""

    name: str
    type: str = Field(description="Its type in DuckDB.")


class SqlRows(Model):
    """The answer to a query, as JSON."""

    columns: list[SqlColumn]
    rows: list[list[Any]] = Field(description="Their values in the order of the columns.")
    truncated: bool = Field(description="Whether there are more rows than an answer can have.")
    duration_ms: int


@dataclass(frozen=True)
class Query:
    """A query for the archive.

    Attributes:
        sql: One SELECT.
        parameters: The values of its parameters.
        form: The form of the answer.
        max_rows: How many rows the answer may have.
        kind: Whether a person has written it, or it reports usage. Queries of one kind wait for
            each other.
    """

    sql: str
    parameters: list[Any]
    form: str = "json"
    max_rows: int = MAX_ROWS
    kind: QueryKind = "sql"


@dataclass(frozen=True)
class QueryAnswer:
    """The answer to a query.

    Attributes:
        content: The answer in the form that was asked for; as JSON it is ``SqlRows``.
        rows: How many rows it has.
        is_truncated: Whether there are more than it may have.
        duration_ms: How long the query took, in milliseconds.
    """

    content: bytes
    rows: int
    is_truncated: bool
    duration_ms: int
