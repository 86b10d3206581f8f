"""The calls of every remote method arrive as they were made, whatever they hold."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from actors.calls import contract
from actors.calls.contract import RemoteMethod, contract_of, decode_request, encode_failure
from actors.calls.registry_stub import registry_targets
from everruns.capabilities.registry import load_capabilities
from everruns.errors import EverrunsError, TooLarge
from everruns.registry.placement import Placement
from everruns.registry.registry import Registry
from everruns.remote import Repeat, remote
from everruns.runtime.host import SessionHost
from everruns.storage.memory.store import MemoryStore

registry = Registry(MemoryStore(), load_capabilities(), Placement(1, 1, 1))
KINDS = (*map(type, registry_targets(registry).values()), SessionHost)
METHODS = [
    pytest.param(method, id=method.function.__qualname__)
    for kind in KINDS
    for method in contract_of(kind).values()
]


class Refused(EverrunsError):
    """An error that is compared by its fields, to be found inside of other values."""

    code = "REFUSED"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Refused) and vars(other) == vars(self)

    __hash__ = EverrunsError.__hash__


# Values of the declared types

TEXTS = st.text(st.characters(codec="utf-8"), max_size=10)
NUMBERS = st.integers(-(2**63), 2**64 - 1)
JSON = st.sampled_from([None, True, -1, 2**64 - 1, 0.5, "a", [], [1, ["b"]], {"a": {"b": [None]}}])
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: NUMBERS,
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=20),
    None: st.none(),
    NoneType: st.none(),
    Any: JSON,
    Decimal: st.sampled_from([Decimal(0), Decimal("-0.10"), Decimal("1E+30")]),
    Path: TEXTS.map(Path),
    SecretStr: TEXTS.map(SecretStr),
}


@cache
def values_of(declared: Any) -> st.SearchStrategy[Any]:
    """Values of a declared type, as the codec promises to carry them."""
    origin, arguments = get_origin(declared), get_args(declared)
    if declared in PLAIN:
        return PLAIN[declared]
    if origin is Annotated:
        return values_of(arguments[0])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in {Union, UnionType}:
        return st.one_of(*map(values_of, arguments))
    if origin is tuple and Ellipsis not in arguments:
        return st.tuples(*map(values_of, arguments))
    if origin in {dict, Mapping}:
        return st.dictionaries(*map(values_of, arguments), max_size=2)
    if origin in {tuple, Sequence, Collection}:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    if origin in {list, set, frozenset}:
        return st.lists(values_of(arguments[0]), max_size=2).map(origin)
    return objects_of(declared)


def objects_of(kind: Any) -> st.SearchStrategy[Any]:
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    if issubclass(kind, EverrunsError):
        return st.builds(Refused, TEXTS, st.none() | TEXTS, st.none() | st.just(1.5))
    if issubclass(kind, BaseModel):
        hints = {name: values_of(field.annotation) for name, field in kind.model_fields.items()}
        given = st.sets(st.sampled_from(list(hints))) if hints else st.just(set())
        return st.builds(
            lambda given, values: kind.model_construct(given, **values),
            given,
            st.fixed_dictionaries(hints),
        )
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)] if is_dataclass(kind) else kind._fields
    return st.builds(kind, **{name: values_of(hints[name]) for name in names})


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=5)
@given(data=st.data())
def test_what_a_remote_method_takes_and_returns_arrives_as_it_was(
    method: RemoteMethod, data: st.DataObject
):
    hints = get_type_hints(method.function)
    wanted = [data.draw(values_of(hints[name]), name) for name in method.names]
    place = data.draw(st.integers(0, len(wanted)), "number of positional arguments")
    named = dict(zip(method.names[place:], wanted[place:], strict=True))
    request = decode_request(method.encode_request("target", wanted[:place], named))
    assert method.decode_arguments(request) == (wanted[:place], named)
    result = data.draw(values_of(hints["return"]), "result")
    assert method.decode_answer(method.encode_result(result)) == result


# What is refused


@dataclass(frozen=True)
class Note:
    text: str


class Target:
    @remote(Repeat.YES)
    async def write(self, note: Note, *, loud: bool = False) -> str:
        return note.text.upper() if loud else note.text

    @remote(Repeat.YES)
    async def anything(self, *things: str) -> None:
        """Takes what it does not name."""


WRITE = contract_of(Target)["write"]


def test_arguments_that_a_method_does_not_have_are_not_sent():
    with pytest.raises(TypeError, match="does not have these parameters"):
        WRITE.encode_request("target", [], {"shout": True})
    with pytest.raises(TypeError, match="does not have these parameters"):
        WRITE.encode_request("target", [Note("a"), True, 1], {})


def test_an_argument_of_another_type_is_not_sent():
    with pytest.raises(TypeError, match="is not"):
        WRITE.encode_request("target", ["text"], {})


def test_a_method_that_does_not_name_its_parameters_is_refused():
    with pytest.raises(TypeError, match="does not name all its parameters"):
        contract_of(Target)["anything"].encode_request("target", ["a"], {})


def test_a_request_that_is_too_long_is_not_sent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(contract, "MAX_FRAME_BYTES", 50)
    with pytest.raises(TooLarge, match="Send less"):
        WRITE.encode_request("target", [Note("x" * 50)], {})


def test_an_answer_that_is_too_long_is_told_as_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(contract, "MAX_FRAME_BYTES", 50)
    with pytest.raises(TooLarge, match="Request less"):
        WRITE.decode_answer(WRITE.encode_result("x" * 50))


@pytest.mark.parametrize(
    "received", [b"", b"no request", b"\xc1", b"\x93\x01", b"\x01", b"\x91" * 5000]
)
def test_bytes_that_are_no_request_are_told_from_one(received: bytes):
    with pytest.raises(EverrunsError, match="not a request"):
        decode_request(received)


def test_an_error_is_raised_where_the_answer_is_read():
    with pytest.raises(Refused) as refused:
        WRITE.decode_answer(encode_failure(Refused("No.", None, 2.0)))
    assert (refused.value.message, refused.value.retry_after_s) == ("No.", 2.0)
