"""The views as docs/observability.md describes them."""

import re
from pathlib import Path

import orjson
import pytest

from everruns.archive.answers import Asked
from everruns.archive.engine import Engine
from everruns.archive.views import NAMES

PAGE = Path(__file__).parents[3] / "docs" / "observability.md"
ROW = re.compile(r"^\| `(\w+)` \| `([^`]+)` \|", re.MULTILINE)


def documented() -> dict[str, dict[str, str]]:
    """The columns of each view that the page lists; those that views share are listed once."""
    page = PAGE.read_text().partition("## SQL\n")[2].partition("\n## ")[0]
    shared, *views = re.split(r"^\*\*`(?=\w+`\*\*)", page, flags=re.MULTILINE)
    return {"": dict(ROW.findall(shared))} | {
        view.partition("`")[0]: dict(ROW.findall(view)) for view in views
    }


def test_every_view_is_documented():
    assert documented().keys() - {""} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES - {"events"}))
def test_a_view_has_the_columns_that_are_documented(name: str, tmp_path: Path):
    engine = Engine(str(tmp_path))
    engine.use([], [])
    query = Asked(f"SELECT column_name, column_type FROM (DESCRIBE {name})", [], 100)
    found = orjson.loads(engine.answer(query, "json", 5.0).content)["rows"]

    listed = documented()
    shared = {} if name == "sessions" else listed[""]
    assert {one: kind for one, kind in found if shared.get(one) != kind} == {
        one: kind for one, kind in listed[name].items() if shared.get(one) != kind
    }
