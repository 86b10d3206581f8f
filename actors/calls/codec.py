"""Values between processes, by their declared types, with nothing in them that could run code.

``codec_of`` compiles a type into two functions. One turns a value into what MessagePack can hold:
numbers, text, bytes, arrays and maps. The other restores the value. An object travels as the array
of its fields; its class follows from the declared type (see ``actors.calls.objects``). What is
received was validated where it was made and comes from a trusted process (see
``actors.calls.direct``), so it is not validated again.

A ``Sequence`` arrives as a tuple and a ``Mapping`` as a dict. ``Any`` is a JSON value.
"""

from collections import abc
from collections.abc import Callable
from dataclasses import is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache, partial
from pathlib import Path, PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from actors.calls import objects
from actors.calls.errors import decode_error, encode_error
from actors.calls.objects import Codec, Convert, NotCarried, Row
from everruns.errors import EverrunsError

PLAIN_TYPES = frozenset({str, int, float, bool, bytes})


@cache
def codec_of(declared: Any) -> Codec:
    """Compile a declared type.

    Raises:
        NotCarried: Values of this type could not be restored as they were.
    """
    arguments = get_args(declared)
    if declared in PLAIN_TYPES:
        return Codec(None, None, (declared,))
    if declared in {None, NoneType, Any}:
        return Codec(None, None, ())
    if compiled := _GENERIC.get(get_origin(declared)):
        return compiled(arguments)
    if isinstance(declared, type):
        return _class(declared)
    raise NotCarried(f"{declared} cannot be carried between processes.")


def _annotated(arguments: tuple[Any, ...]) -> Codec:
    return codec_of(arguments[0])


def _literal(arguments: tuple[Any, ...]) -> Codec:
    return Codec(None, None, tuple({type(value) for value in arguments}))


# Unions


def _union(arguments: tuple[Any, ...]) -> Codec:
    """Compile a union, whose values tell by their class which of the types they have."""
    codecs = [codec_of(argument) for argument in arguments if argument is not NoneType]
    classes = tuple(kind for codec in codecs for kind in codec.classes)
    if all(codec.encode is None and codec.decode is None for codec in codecs):
        return Codec(None, None, classes)
    if len(codecs) == 1:
        return Codec(_unless_none(codecs[0].encode), _unless_none(codecs[0].decode), classes)
    numbers = {kind: number for number, codec in enumerate(codecs) for kind in codec.classes}
    if len(numbers) < len(classes) or not all(codec.classes for codec in codecs):
        raise NotCarried(f"{arguments} cannot be told apart by their classes.")
    encoders = [codec.encode or _same for codec in codecs]
    decoders = [codec.decode or _same for codec in codecs]

    def encode(value: Any) -> Any:
        if value is None:
            return None
        number = numbers.get(value.__class__)
        if number is None:
            raise TypeError(f"{type(value)} is none of {arguments}.")
        return number, encoders[number](value)

    def decode(numbered: Any) -> Any:
        return None if numbered is None else decoders[numbered[0]](numbered[1])

    return Codec(encode, decode, classes)


def _unless_none(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    return lambda value: None if value is None else convert(value)


def _same(value: Any) -> Any:
    return value


# Collections


def _collection(made: type, arguments: tuple[Any, ...]) -> Codec:
    """Compile a collection that arrives as an object of this class."""
    item = codec_of(arguments[0])
    classes = (list, tuple) if made is tuple else (made,)
    return Codec(_each(list, item.encode), _each(made, item.decode), classes)


def _each(made: Any, convert: Convert | None) -> Convert | None:
    if convert is None:
        return None if made is list else made
    if made is list:
        return lambda values: [convert(value) for value in values]

    def convert_all(values: Any) -> Any:
        return made([convert(value) for value in values])

    return convert_all


def _tuple(arguments: tuple[Any, ...]) -> Codec:
    if Ellipsis in arguments:
        return _collection(tuple, arguments)._replace(classes=(tuple,))
    row = Row(map(codec_of, arguments))

    def decode(values: list[Any]) -> Any:
        return tuple(row.decode(values))

    return Codec(row.encode, decode, (tuple,))


def _mapping(made: Convert | None, arguments: tuple[Any, ...]) -> Codec:
    key, value = map(codec_of, arguments)
    encode = _items(key.encode, value.encode) or made
    return Codec(encode, _items(key.decode, value.decode), (dict,))


def _items(key: Convert | None, value: Convert | None) -> Convert | None:
    if key is None and value is None:
        return None
    of_key, of_value = key or _same, value or _same
    return lambda items: {of_key(name): of_value(item) for name, item in items.items()}


_GENERIC: dict[Any, Callable[[tuple[Any, ...]], Codec]] = {
    Annotated: _annotated,
    Literal: _literal,
    Union: _union,
    UnionType: _union,
    list: partial(_collection, list),
    abc.Sequence: partial(_collection, tuple),
    abc.Collection: partial(_collection, tuple),
    set: partial(_collection, set),
    frozenset: partial(_collection, frozenset),
    tuple: _tuple,
    dict: partial(_mapping, None),
    abc.Mapping: partial(_mapping, dict),
}

# Classes


def _class(kind: Any) -> Codec:
    for base, compiled in _BASES:
        if issubclass(kind, base):
            return compiled(kind)
    if not is_dataclass(kind) or hasattr(kind, "__slots__"):
        raise NotCarried(f"{kind} cannot be carried between processes.")
    return objects.dataclass_codec(kind, codec_of)


_BASES: tuple[tuple[type, Callable[[Any], Codec]], ...] = (
    (Enum, lambda kind: Codec(None, {one.value: one for one in kind}.__getitem__, (kind,))),
    (Decimal, lambda kind: Codec(str, kind, (kind,))),
    (PurePath, lambda kind: Codec(str, kind, (kind, type(Path())))),
    (SecretStr, lambda kind: Codec(SecretStr.get_secret_value, kind, (kind,))),
    (EverrunsError, lambda kind: Codec(encode_error, decode_error, (kind,))),
    (BaseModel, lambda kind: objects.model_codec(kind, codec_of)),
    (tuple, lambda kind: objects.named_tuple_codec(kind, codec_of)),
)
