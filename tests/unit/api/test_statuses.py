"""From errors to statuses."""

import pytest

from everruns.api.http.errors import error_answer, status_of
from everruns.errors import (
    AgentNotFound,
    CapacityExhausted,
    EverrunsError,
    IdempotencyKeyReused,
    Overloaded,
    RequestTimedOut,
    SessionNotFound,
    StoreOverloaded,
    TooLarge,
    Unauthorized,
    UnknownModel,
    error_classes,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnknownModel, 400),
        (Unauthorized, 401),
        (AgentNotFound, 404),
        (RequestTimedOut, 408),
        (IdempotencyKeyReused, 409),
        (TooLarge, 413),
        (Overloaded, 429),
        (EverrunsError, 500),
        (CapacityExhausted, 503),
        (StoreOverloaded, 503),
    ],
)
def test_a_status_is_that_of_the_nearest_ancestor(error: type[EverrunsError], status: int):
    assert status_of(error) == status


def test_every_error_has_a_status():
    assert all(400 <= status_of(error) < 600 for error in error_classes())


def test_codes_are_of_one_class_each():
    codes = [error.code for error in error_classes()]

    assert len(set(codes)) == len(codes)


def test_classes_that_others_make_of_our_errors_are_not_told_of():
    foreign = type("SessionNotFoundInAnActor", (SessionNotFound,), {"__module__": "elsewhere"})

    assert foreign not in error_classes()


def test_a_retry_is_never_asked_for_at_once():
    answer = error_answer(Overloaded("busy", None, 0.01))

    assert answer.headers["retry-after"] == "1"


def test_a_message_is_bounded():
    answer = error_answer(EverrunsError("x" * 10_000))

    assert len(answer.body) < 3000
