"""Values that travel between processes arrive as they were."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import msgspec
import pytest
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr

from actors.calls.codec import codec_of
from actors.calls.objects import NotCarried
from everruns.errors import EverrunsError, InvalidRequest, SessionNotFound
from everruns.turn_failures import ProviderRateLimited

Item = TypeVar("Item")


class Colour(Enum):
    RED = 1


class Word(StrEnum):
    YES = "yes"


class Place(NamedTuple):
    line: int
    word: Word = Word.YES


@dataclass(frozen=True)
class Note:
    place: Place
    text: str = ""


@dataclass(frozen=True)
class Mark:
    colour: Colour


class Patch(BaseModel):
    name: str | None = None
    size: int | None = None


class Narrow(Patch):
    name: Annotated[str | None, Field(max_length=3)] = None


class Wide(Patch):
    colour: str = "red"


class Secretive(BaseModel):
    key: SecretStr
    headers: dict[str, SecretStr] = Field(default_factory=dict)


class Cat(BaseModel):
    type: Literal["cat"] = "cat"


class Dog(BaseModel):
    type: Literal["dog"] = "dog"


class Listing(BaseModel, Generic[Item]):
    data: list[Item]


Pet = Annotated[Cat | Dog, Field(discriminator="type")]

CARRIED: list[tuple[Any, Any]] = [
    (None, None),
    (int, -(2**40)),
    (float, 2),
    (bytes, b"\0\xff"),
    (str, "z\u0142oty"),
    (Any, {"a": [1, 2.5, None, {"b": "c"}]}),
    (str | int, 3),
    (Decimal, Decimal("0.10")),
    (Decimal | None, None),
    (Path, Path("/tmp/x")),
    (Literal["a", "b"], "a"),
    (Colour, Colour.RED),
    (Place, Place(1)),
    (Note, Note(Place(1), "x")),
    (list[Note], [Note(Place(1))]),
    (Sequence[str], ("a", "b")),
    (Collection[str], ("a",)),
    (tuple[Place, ...], (Place(1), Place(2))),
    (tuple[Place, bool], (Place(1), True)),
    (frozenset[str], frozenset({"a"})),
    (set[Colour], {Colour.RED}),
    (Mapping[str, int], {"a": 1}),
    (dict[str, Colour], {"a": Colour.RED}),
    (Mapping[Word, list[Mark]], {Word.YES: [Mark(Colour.RED)]}),
    (Sequence[Note | Mark], (Mark(Colour.RED), Note(Place(1)))),
    (Note | Mark | None, None),
    (str | Note, "x"),
    (Patch, Patch()),
    (Patch, Patch(name=None)),
    (Patch, Patch(name="x", size=1)),
    (list[Pet], [Dog(), Cat()]),
    (Listing[Pet], Listing[Pet](data=[Dog()])),
]


def carried(declared: Any, value: Any) -> Any:
    """Send a value of a declared type through the wire and back."""
    codec = codec_of(declared)
    sent = msgspec.msgpack.encode(value if codec.encode is None else codec.encode(value))
    received = msgspec.msgpack.decode(sent)
    return received if codec.decode is None else codec.decode(received)


@pytest.mark.parametrize(("declared", "value"), CARRIED)
def test_a_value_arrives_as_it_was(declared: Any, value: Any):
    arrived = carried(declared, value)
    assert arrived == value
    assert type(arrived) is type(value)


@pytest.mark.parametrize("patch", [Patch(), Patch(name=None), Patch(name="x", size=1)])
def test_a_model_still_knows_which_of_its_fields_were_given(patch: Patch):
    assert carried(Patch, patch).model_fields_set == patch.model_fields_set


def test_a_model_with_stricter_limits_arrives_as_the_declared_one():
    arrived = carried(Patch, Narrow(name="a"))
    assert type(arrived) is Patch
    assert arrived == Patch(name="a")
    assert arrived.model_fields_set == {"name"}


def test_secrets_arrive_and_stay_secret():
    sent = Secretive(key=SecretStr("hush"), headers={"x": SecretStr("quiet")})
    arrived = carried(Secretive, sent)
    assert arrived == sent
    assert arrived.key.get_secret_value() == "hush"
    assert "hush" not in repr(arrived)


def test_a_list_may_be_sent_as_a_sequence_and_arrives_as_a_tuple():
    assert carried(Sequence[Place], [Place(1)]) == (Place(1),)


def test_a_generic_model_without_its_parameters_arrives_with_them():
    arrived = carried(Listing[Pet], Listing(data=[Cat()]))
    assert type(arrived) is Listing[Pet]
    assert arrived.data == [Cat()]


# Errors


def test_an_error_arrives_with_its_class_and_its_fields():
    sent = ProviderRateLimited("Slow down.", "SLOW_DOWN", 2.5)
    arrived = carried(EverrunsError | None, sent)
    assert type(arrived) is ProviderRateLimited
    assert (arrived.message, arrived.code, arrived.retry_after_s) == (
        "Slow down.",
        "SLOW_DOWN",
        2.5,
    )


def test_an_error_of_a_declared_kind_arrives():
    assert type(carried(SessionNotFound, SessionNotFound("Gone."))) is SessionNotFound


def test_an_error_whose_class_has_arguments_of_its_own_arrives_with_its_fields():
    class TooShort(InvalidRequest):
        code = "TOO_SHORT"

        def __init__(self, length: int) -> None:
            super().__init__(f"{length} is too short.")

    arrived = carried(EverrunsError, TooShort(3))
    assert type(arrived) is TooShort
    assert (arrived.message, arrived.code) == ("3 is too short.", "TOO_SHORT")


def test_an_error_of_a_class_that_is_not_known_here_arrives_as_the_base_of_all():
    sent = codec_of(EverrunsError).encode
    assert sent is not None
    _, *fields = sent(SessionNotFound("Gone."))
    decode = codec_of(EverrunsError).decode
    assert decode is not None
    arrived = decode(["OfAPackage", *fields])
    assert type(arrived) is EverrunsError
    assert (arrived.message, arrived.code) == ("Gone.", "SESSION_NOT_FOUND")


# What cannot travel


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Hidden(BaseModel):
    _count: int = PrivateAttr(0)


class Slotted:
    __slots__ = ("a",)


@pytest.mark.parametrize(
    "declared",
    [object, Slotted, Open, Hidden, type[int], list[object], Any | Note, list[str] | list[Note]],
)
def test_a_type_whose_values_could_not_be_restored_is_refused(declared: Any):
    with pytest.raises(NotCarried):
        codec_of(declared)


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (Note, Mark(Colour.RED)),
        (Patch, Cat()),
        (Patch, Wide()),
        (Note | Mark, Place(1)),
        (list[Note], ["x"]),
    ],
)
def test_a_value_of_another_class_is_not_sent(declared: Any, value: Any):
    with pytest.raises(TypeError):
        carried(declared, value)
