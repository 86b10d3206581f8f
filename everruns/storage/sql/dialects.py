"""What DuckDB and PostgreSQL are told in different words; all other SQL is the same for both."""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Connection, case, types
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

# The collation of what is searched; see ``everruns.storage.postgres.tables``.
SEARCH_COLLATION = "everruns_search"


# Renders SQL that both take, with parameters by name; types and conditions as DuckDB needs them.
BOTH = PGDialect(paramstyle="named")
BOTH.name = "duckdb"


def is_duckdb(connection: Connection) -> bool:
    """Tell whether it is DuckDB, which needs help to read no more rows than necessary."""
    return connection.dialect.name == "duckdb"


# DuckDB compares texts by their bytes. In PostgreSQL a database's collation decides, unless a
# column has its own: "C" compares bytes too, so that ids and times are sorted everywhere alike.
Text = types.Text().with_variant(types.Text(collation="C"), "postgresql")


class only_of(FunctionElement[bool]):  # noqa: N801 # Reads as a function, as in SQLAlchemy.
    """The condition ``is_meant``, for rows that are found by an index on ``is_there``.

    DuckDB finds rows by their index only if it compares no other column while it scans, so there a
    ``case`` keeps the other comparison out of the scan. Use it together with ``is_there``.
    """

    name = "only_of"
    type = Boolean()
    inherit_cache = True

    def __init__(self, is_there: ColumnElement[bool], is_meant: ColumnElement[bool]) -> None:
        super().__init__(is_there, is_meant)


class lowered(FunctionElement[str]):  # noqa: N801
    """A column's text in lower case, also beyond ASCII."""

    name = "lowered"
    type = types.Text()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)


class hexadecimal(FunctionElement[int]):  # noqa: N801
    """The number that up to fifteen hexadecimal digits are."""

    name = "hexadecimal"
    type = types.BigInteger()
    inherit_cache = True

    def __init__(self, digits: ColumnElement[Any]) -> None:
        super().__init__(digits)


@compiles(only_of)
def _only_of(element: only_of, compiler: SQLCompiler, **options: Any) -> str:
    is_there, is_meant = element.clauses
    return compiler.process(case((is_there, is_meant)), **options)


@compiles(only_of, "postgresql")
def _only_of_in_postgresql(element: only_of, compiler: SQLCompiler, **options: Any) -> str:
    _, is_meant = element.clauses
    return compiler.process(is_meant, **options)


@compiles(lowered)
def _lowered(element: lowered, compiler: SQLCompiler, **options: Any) -> str:
    return f"lower({compiler.process(element.clauses, **options)})"


@compiles(lowered, "postgresql")
def _lowered_in_postgresql(element: lowered, compiler: SQLCompiler, **options: Any) -> str:
    text = compiler.process(element.clauses, **options)
    return f'lower({text} COLLATE "{SEARCH_COLLATION}")'


@compiles(hexadecimal)
def _hexadecimal(element: hexadecimal, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST('0x' || {compiler.process(element.clauses, **options)} AS bigint)"


@compiles(hexadecimal, "postgresql")
def _hexadecimal_in_postgresql(element: hexadecimal, compiler: SQLCompiler, **options: Any) -> str:
    digits = compiler.process(element.clauses, **options)
    return f"CAST(CAST('x' || {digits} AS bit(60)) AS bigint)"
