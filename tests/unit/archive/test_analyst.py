"""The analyst: what queries may cost, and what becomes of those that cost more."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from threading import Event
from typing import Any

import duckdb
import orjson
import psutil
import pytest

from everruns.archive import analyst as module
from everruns.archive.analyst import Analyst
from everruns.archive.answers import NotShown, _json_row
from everruns.archive.archive import Archive
from everruns.archive.lanes import MAX_WAITING
from everruns.archive.usage import UsageQuery
from everruns.domain.queries import Query, QueryAnswer
from everruns.errors import InvalidQuery, Overloaded, QueryTooExpensive
from everruns.registry.database import Database
from everruns.registry.history import History
from everruns.storage.memory.store import MemoryStore
from tests.waiting import PATIENCE_S, eventually

Processes = Callable[[], list[psutil.Process]]

ENDLESS = "SELECT count(*) FROM range(1000000000000)"


@pytest.fixture
async def analyst(tmp_path: Path) -> AsyncIterator[Analyst]:
    database = Database(MemoryStore())
    analyst = Analyst(tmp_path, History(database))
    yield analyst
    await analyst.close()
    await database.close()


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries end sooner than those of users."""
    monkeypatch.setattr(module, "QUERY_TIMEOUT_S", 1.0)
    monkeypatch.setattr(module, "KILLED_AFTER_S", 4.0)


@pytest.fixture
def processes() -> Processes:
    """Those that the analyst runs; tests before may have left others."""
    before = psutil.Process().children()
    return lambda: [child for child in psutil.Process().children() if child not in before]


async def asked(analyst: Analyst, sql: str, *parameters: Any, form: str = "json") -> QueryAnswer:
    return await analyst.answer(Query(sql, list(parameters), form))


async def rows(analyst: Analyst, sql: str, *parameters: Any) -> list[list[Any]]:
    return orjson.loads((await asked(analyst, sql, *parameters)).content)["rows"]


@pytest.mark.parametrize(
    "query",
    [
        ENDLESS,
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
        "SELECT max(a.range + b.range) FROM range(10000000) a, range(10000000) b",
        # Not a query's loop but one value's, which nothing interrupts.
        "SELECT list_sum(list_transform(range(100000000), lambda x: length(repeat('a', 1000))))",
    ],
    ids=["series", "recursion", "cross join", "value"],
)
@pytest.mark.usefixtures("brief")
async def test_a_query_that_does_not_end_is_ended(analyst: Analyst, query: str):
    with pytest.raises(QueryTooExpensive):
        await asked(analyst, query)

    assert await rows(analyst, "SELECT 1") == [[1]]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT length(repeat('x', 3000000000))",
        "SELECT list(repeat('x', 1000)) FROM range(10000000)",
        "SELECT * FROM range(100000000) ORDER BY hash(range)",
    ],
    ids=["text", "list", "sort"],
)
async def test_a_query_that_takes_too_much_memory_is_ended(analyst: Analyst, query: str):
    with pytest.raises(QueryTooExpensive):
        await asked(analyst, query)

    assert await rows(analyst, "SELECT 1") == [[1]]


async def test_a_process_that_dies_is_replaced(analyst: Analyst, processes: Processes):
    await rows(analyst, "SELECT 1")
    (child,) = processes()
    before_s = child.cpu_times().user
    query = asyncio.create_task(asked(analyst, ENDLESS))
    while child.cpu_times().user < before_s + 0.1 and not query.done():
        await asyncio.sleep(0.05)

    child.kill()

    with pytest.raises(QueryTooExpensive):
        await query
    assert await rows(analyst, "SELECT 1") == [[1]]


async def test_usage_is_reported_while_a_query_does_not_end(
    analyst: Analyst, processes: Processes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "QUERY_TIMEOUT_S", 300.0)
    await rows(analyst, "SELECT 1")
    (child,) = processes()
    before_s = child.cpu_times().user
    query = asyncio.create_task(asked(analyst, ENDLESS))
    await eventually(lambda: child.cpu_times().user > before_s + 0.1)

    report = UsageQuery(0, 1, (), {}, None, 10).query("json")
    answer = await analyst.answer(report)

    assert answer.rows == 2  # The sum of all, and that of the only group.
    assert not query.done()
    query.cancel()
    await asyncio.gather(query, return_exceptions=True)


async def test_a_query_in_sql_waits_for_the_one_before(
    analyst: Analyst, processes: Processes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "QUERY_TIMEOUT_S", 300.0)
    first = asyncio.create_task(asked(analyst, ENDLESS))
    await eventually(processes)
    second = asyncio.create_task(asked(analyst, "SELECT 1"))
    # What is asked later and takes longer, but waits for neither, is answered first.
    await analyst.answer(UsageQuery(0, 1, (), {}, None, 10).query("json"))
    assert not second.done()

    first.cancel()

    assert (await second).rows == 1


async def test_an_answer_has_so_many_rows_and_no_more(analyst: Analyst):
    for form in ("json", "csv", "parquet"):
        answer = await asked(analyst, "SELECT range FROM range(1000000)", form=form)
        assert (answer.rows, answer.is_truncated) == (10_000, True)
        answer = await asked(analyst, "SELECT range FROM range(10000)", form=form)
        assert (answer.rows, answer.is_truncated) == (10_000, False)


async def test_an_answer_has_so_many_bytes_and_no_more(analyst: Analyst):
    wide = "SELECT repeat('x', 1000000) FROM range(100)"
    for form in ("json", "csv"):
        answer = await asked(analyst, wide, form=form)
        assert (answer.rows, answer.is_truncated) == (10, True)
        assert len(answer.content) <= 10 * 1024 * 1024 + 1000

    for form in ("json", "csv", "parquet"):
        # Of random digits, which a file cannot compress.
        digits = "SELECT string_agg(hash(range)::VARCHAR, '') FROM range(2000000)"
        with pytest.raises(InvalidQuery, match="10 MB"):
            await asked(analyst, digits, form=form)


async def test_values_come_as_json_has_them(analyst: Analyst):
    row = await rows(
        analyst,
        """SELECT 1, 1.5::DECIMAL(10, 2), TIMESTAMP '2026-01-31 10:00:00.123456', DATE '2026-01-31',
           170141183460469231731687303715884105727::HUGEINT, [1, 2], {'a': {'b': 1}}, MAP {1: 'x'},
           'nan'::DOUBLE, '\\xAA'::BLOB, NULL, true, 'é\U0001f600',
           TIMESTAMPTZ '2026-01-31 10:00:00+02'""",
    )

    assert row == [
        [
            1,
            1.5,
            "2026-01-31T10:00:00.123Z",
            "2026-01-31",
            "170141183460469231731687303715884105727",
            [1, 2],
            {"a": {"b": 1}},
            {"1": "x"},
            None,
            "qg==",
            None,
            True,
            "é\U0001f600",
            "2026-01-31T08:00:00.000Z",
        ]
    ]


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_an_interval_has_one_sign(analyst: Analyst, form: str):
    query = "SELECT INTERVAL '-5 minutes' AS a, INTERVAL '90 seconds' AS b, INTERVAL '-2 days' AS c"

    answer = await asked(analyst, query, form=form)

    for text in ("-0:05:00", "0:01:30", "-2 days, 0:00:00"):
        assert text in answer.content.decode()


async def test_text_that_is_no_unicode_is_refused_and_not_answered(analyst: Analyst):
    for query in ("SELECT chr(55296)", "SELECT decode('\\xFF'::BLOB)"):
        with pytest.raises(InvalidQuery):
            await asked(analyst, query)


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_a_value_without_a_form_in_the_answer_is_refused(analyst: Analyst, form: str):
    with pytest.raises(InvalidQuery, match="Cast it to VARCHAR"):
        await asked(analyst, "SELECT INTERVAL '1000000000 days'", form=form)


def test_a_value_that_is_nested_too_deeply_for_json_is_refused():
    nested: Any = 1
    for _ in range(300):
        nested = {"x": nested}
    with pytest.raises(NotShown):
        _json_row([nested])


async def test_a_file_of_parquet_keeps_the_types(analyst: Analyst, tmp_path: Path):
    query = "SELECT ?::INT AS a, DATE '2026-01-31' AS day, [1.5::DOUBLE] AS list"
    answer = await asked(analyst, query, 7, form="parquet")
    (tmp_path / "answer.parquet").write_bytes(answer.content)

    found = duckdb.sql(f"FROM '{tmp_path}/answer.parquet'")

    assert [str(kind) for kind in found.types] == ["INTEGER", "DATE", "DOUBLE[]"]
    assert found.fetchall()[0][0] == 7


async def test_no_text_of_a_csv_file_is_a_formula(analyst: Analyst):
    formulas = [f"{first}HYPERLINK(A1)" for first in ("=", "+", "-", "@", "\t", "\r")]

    answer = await asked(analyst, 'SELECT $1 AS "=1+1", $2, $3, $4, $5, $6', *formulas, form="csv")

    names, texts = csv.reader(io.StringIO(answer.content.decode(), newline=""))
    assert names[0] == "'=1+1"
    assert texts == [f"'{formula}" for formula in formulas]


async def test_numbers_and_plain_texts_of_a_csv_file_are_as_they_are(analyst: Analyst):
    query = "SELECT -1 AS a, -0.5 AS b, '-12.5' AS c, 'a=b' AS d, '' AS e, -2.5::DECIMAL(9, 2)"

    answer = await asked(analyst, query, form="csv")

    assert answer.content.decode().splitlines()[1] == "-1,-0.5,-12.5,a=b,,-2.5"


async def test_csv_is_quoted_as_others_read_it(analyst: Analyst):
    answer = await asked(analyst, "SELECT 'a,\"b\"' AS x, [1] AS y, NULL AS z", form="csv")

    assert answer.content == b'x,y,z\r\n"a,""b""",[1],\r\n'


@pytest.mark.usefixtures("brief")
async def test_more_queries_than_can_wait_are_refused(analyst: Analyst):
    queries = [asyncio.create_task(asked(analyst, ENDLESS)) for _ in range(MAX_WAITING + 1)]
    done, others = await asyncio.wait(queries, return_when=asyncio.FIRST_COMPLETED)

    assert [type(task.exception()) for task in done] == [Overloaded]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def test_a_caller_that_gives_up_ends_its_query(analyst: Analyst, processes: Processes):
    query = asyncio.create_task(asked(analyst, ENDLESS))
    while not (processes() or query.done()):
        await asyncio.sleep(0.05)

    query.cancel()
    await asyncio.gather(query, return_exceptions=True)

    assert await rows(analyst, "SELECT 1") == [[1]]


async def test_a_caller_that_gives_up_while_the_archive_is_opened_keeps_it_from_nobody(
    analyst: Analyst, monkeypatch: pytest.MonkeyPatch
):
    begun, may_end, opened = Event(), Event(), list[Archive]()

    def open_slowly(*arguments: Any) -> Archive:
        archive = Archive(*arguments)
        opened.append(archive)
        begun.set()
        may_end.wait(PATIENCE_S)
        return archive

    monkeypatch.setattr(module, "Archive", open_slowly)
    query = asyncio.create_task(asked(analyst, "SELECT 1"))
    await asyncio.to_thread(begun.wait, 10)

    query.cancel()
    await asyncio.gather(query, return_exceptions=True)
    may_end.set()

    assert await rows(analyst, "SELECT 1") == [[1]]
    assert len(opened) == 1


async def test_an_error_names_no_path_of_the_machine(analyst: Analyst, tmp_path: Path):
    with pytest.raises(InvalidQuery) as refused:
        await asked(analyst, f"SELECT '{tmp_path}/archive/x'::INT")
    assert str(tmp_path) not in str(refused.value)
