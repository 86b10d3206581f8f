"""Answers to queries of the archive as responses.

Source: docs/contract.md, "SQL".
"""

from typing import Any

from fastapi import Response

from everruns.domain.queries import AnswerForm, QueryAnswer
from everruns.errors import Forbidden
from everruns.settings import Settings

TYPES: dict[AnswerForm, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}

TRUNCATED = "Everruns-Truncated"
"""The header that says whether a file has all rows; in JSON a field says it."""

ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            TYPES["csv"]: {"schema": {"type": "string"}},
            TYPES["parquet"]: {"schema": {"type": "string", "format": "binary"}},
        }
    }
}
"""The forms of such answers besides JSON, for the OpenAPI document."""


def check_archive(settings: Settings) -> None:
    """Check that there is an archive to ask.

    Raises:
        Forbidden: The deployment has none.
    """
    if not settings.archive:
        raise Forbidden("SQL and usage are off. Start the server with archive=true.")


def answer_with(answer: QueryAnswer, form: AnswerForm, name: str) -> Response:
    """Return an answer as a response, unless it is JSON as a file to save.

    Args:
        answer: The answer.
        form: Its form.
        name: The name of the file, without the ending.
    """
    headers = {"Cache-Control": "no-store"}
    if form != "json":
        headers["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
        headers[TRUNCATED] = str(answer.is_truncated).lower()
    return Response(answer.content, media_type=TYPES[form], headers=headers)
