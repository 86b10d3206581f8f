"""Time, arithmetic, weather and tasks: results and errors of their tools."""

import re
from datetime import UTC, datetime, timedelta

import pytest


async def test_time_is_utc_in_iso8601_by_default(answer):
    result = await answer("get_current_time")
    assert (result["format"], result["timezone"]) == ("iso8601", "UTC")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", result["datetime"])
    assert abs(datetime.fromisoformat(result["datetime"]) - datetime.now(UTC)) < timedelta(
        minutes=1
    )


async def test_time_follows_the_zone(answer):
    result = await answer("get_current_time", timezone="Asia/Kolkata")
    assert result["timezone"] == "Asia/Kolkata"
    assert result["datetime"].endswith("+05:30")


async def test_time_as_unix_timestamp(answer):
    result = await answer("get_current_time", format="unix")
    assert result.keys() == {"timestamp", "format", "timezone"}
    assert isinstance(result["timestamp"], int)


async def test_time_for_people(answer):
    result = await answer("get_current_time", format="human", timezone="UTC")
    assert re.fullmatch(r"[A-Z]\w+day, [A-Z]\w+ \d\d, \d{4} at [\d:]{8} UTC", result["datetime"])


@pytest.mark.parametrize("zone", ["Mars/Base", "../../etc/passwd", "/etc/passwd", "Europe", "a\0b"])
async def test_time_in_an_unknown_zone_is_refused(refusal, zone):
    assert "Unknown time zone" in await refusal("get_current_time", timezone=zone)


async def test_time_in_an_unknown_format_is_refused(refusal):
    assert "one of: iso8601, unix, human" in await refusal("get_current_time", format="long")


@pytest.mark.parametrize(
    ("operation", "result"), [("add", 8), ("subtract", 4), ("multiply", 12), ("divide", 3.0)]
)
async def test_arithmetic(answer, operation, result):
    assert await answer(operation, a=6, b=2) == {
        "result": result,
        "operation": operation,
        "a": 6,
        "b": 2,
    }


async def test_large_integers_stay_exact(answer):
    assert (await answer("add", a=2**53, b=1))["result"] == 2**53 + 1


async def test_product_beyond_64_bits_is_a_float(answer):
    assert (await answer("multiply", a=2**62, b=2**62))["result"] == 2.0**124


async def test_arithmetic_errors(refusal):
    assert await refusal("divide", a=1, b=0) == "Cannot divide by zero"
    assert await refusal("multiply", a=1e308, b=10) == "The result is too large"
    assert await refusal("add", a=1) == "Missing required parameter: b"
    assert await refusal("add", a=1, b="2") == "Parameter 'b' must be a number"
    assert await refusal("add", a=1, b=True) == "Parameter 'b' must be a number"


async def test_weather_of_a_place_is_always_the_same(answer):
    seed = sum(b"Paris")  # 506
    result = await answer("get_weather", location="Paris")
    assert result.pop("timestamp").endswith("Z")
    assert result == {
        "location": "Paris",
        "temperature": float(seed % 35 + 5),
        "units": "celsius",
        "conditions": "partly cloudy",
        "humidity": seed % 50 + 30,
        "wind_speed_kmh": seed % 30 + 5,
    }


async def test_weather_in_fahrenheit(answer):
    celsius = await answer("get_weather", location="Wien")
    fahrenheit = await answer("get_weather", location="Wien", units="fahrenheit")
    assert fahrenheit["temperature"] == celsius["temperature"] * 9 / 5 + 32


@pytest.mark.parametrize(("days", "count"), [(None, 3), (1, 1), (7, 7), (30, 7), (0, 1), (-3, 1)])
async def test_forecast_has_one_to_seven_days(answer, days, count):
    result = await answer("get_forecast", location="Paris", days=days)
    assert result["days"] == len(result["forecast"]) == count


async def test_forecast_follows_its_formula(answer):
    result = await answer("get_forecast", location="Paris", days=2)
    value = sum(b"Paris") + 7
    day = result["forecast"][1]
    assert day.pop("date") == (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    high = value % 35 + 5
    assert day == {
        "high": high,
        "low": high - 8 - value % 5,
        "conditions": ["sunny", "partly cloudy", "cloudy", "rainy", "windy"][value % 5],
        "precipitation_chance": value % 100,
    }


async def test_weather_errors(refusal):
    assert await refusal("get_weather") == "Missing required parameter: location"
    assert "one of: celsius, fahrenheit" in await refusal(
        "get_weather", location="Paris", units="kelvin"
    )


def task(status: str, content: str = "Run", active: str = "Running") -> dict[str, str]:
    return {"content": content, "activeForm": active, "status": status}


async def test_tasks_are_counted_and_given_back(answer):
    todos = [task("completed"), task("in_progress"), task("pending"), task("pending")]
    assert await answer("write_todos", todos=todos) == {
        "success": True,
        "total_tasks": 4,
        "pending": 2,
        "in_progress": 1,
        "completed": 1,
        "todos": todos,
    }


async def test_list_may_be_empty(answer):
    assert (await answer("write_todos", todos=[]))["total_tasks"] == 0


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        (["pending"], "No task is in_progress"),
        (["in_progress", "in_progress"], "More than one task is in_progress"),
        (["completed"], None),
        (["in_progress"], None),
    ],
)
async def test_warning_says_when_not_exactly_one_task_is_in_progress(answer, statuses, words):
    result = await answer("write_todos", todos=[task(status) for status in statuses])
    assert ("warning" in result) == (words is not None)
    assert (words or "") in result.get("warning", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "Missing required field: 'todos'"),
        ({"todos": "x"}, "Invalid 'todos' field: expected an array"),
        ({"todos": [{}]}, "Task 1 is missing or has empty 'content' field"),
        (
            {"todos": [task("pending", content="")]},
            "Task 1 is missing or has empty 'content' field",
        ),
        (
            {"todos": [task("pending"), task("pending", active="")]},
            "Task 2 is missing or has empty 'activeForm' field",
        ),
        (
            {"todos": [{"content": "a", "activeForm": "b"}]},
            "Task 1 is missing 'status' field",
        ),
        (
            {"todos": [task("done")]},
            "Task 1 has invalid status 'done'. Must be 'pending', 'in_progress', or 'completed'",
        ),
        ({"todos": ["x"]}, "Task 1 is missing or has empty 'content' field"),
        ({"todos": [{**task("pending"), "x": 1}]}, "Unknown parameter: x in 'todos[0]'"),
    ],
)
async def test_wrong_tasks_are_refused_by_number(refusal, arguments, words):
    assert await refusal("write_todos", **arguments) == words
