"""Lines of the log say what kind of error it was, and never in the words of the error.

An error may quote an address with its password, a header, or what somebody has said.
"""

import ast
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import StatementError

import actors
import everruns
from everruns.storage.postgres.errors import detail_of

PASSWORD = "passw0rd"
LOGS = {"log", "_log", "library_log"}
WORDS = {"args", "message", "reason"}
FILES = [
    file
    for package in (actors, everruns)
    for file in sorted(Path(package.__file__).parent.rglob("*.py"))
]


def quoted(source: str) -> list[int]:
    """The lines of a source at which a caught error is logged in its own words."""
    return [
        call.lineno
        for handler in ast.walk(ast.parse(source))
        if isinstance(handler, ast.ExceptHandler) and handler.name
        for call in ast.walk(handler)
        if is_log_call(call)
        if any(has_words(part, handler.name) for part in ast.walk(call))
    ]


def is_log_call(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
            return name in LOGS
        case _:
            return False


def has_words(part: ast.AST, error: str) -> bool:
    match part:
        case ast.Call(func=ast.Name(id="str" | "repr"), args=[ast.Name(id=name)]):
            return name == error
        case ast.FormattedValue(value=ast.Name(id=name)):
            return name == error
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return name == error and attribute in WORDS
        case _:
            return False


@pytest.mark.parametrize("worded", ["str(error)", "repr(error)", 'f"it was {error}"', "error.args"])
def test_an_error_that_is_logged_in_its_own_words_is_found(worded: str):
    source = f"try:\n    work()\nexcept OSError as error:\n    log.info('failed', error={worded})\n"
    assert quoted(source) == [4]


def test_no_error_is_logged_in_its_own_words():
    found = {str(file): lines for file in FILES if (lines := quoted(file.read_text()))}
    assert found == {}


@pytest.mark.parametrize(
    "error",
    [
        psycopg.ProgrammingError(f'missing "=" after "{PASSWORD}" in connection info string'),
        StatementError(
            "failed", f"SELECT '{PASSWORD}'", {"secret": PASSWORD}, ValueError(PASSWORD)
        ),
    ],
)
def test_an_error_of_postgresql_that_is_not_about_the_server_is_not_quoted(error: Exception):
    assert detail_of(error) == type(error).__name__


def test_what_libpq_says_of_a_server_is_logged():
    refused = psycopg.OperationalError('connection to server at "db", port 5432 failed:\n refused')
    assert "port 5432 failed: refused" in detail_of(refused)
