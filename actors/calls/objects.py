"""Objects as arrays of their fields; see ``actors.calls.codec``.

The sender checks that an object has the declared class, since the receiver will make it of that
class. A model may be of a subclass that adds no fields, such as one with stricter limits.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple, get_type_hints

from pydantic import BaseModel

Convert = Callable[[Any], Any]


class Codec(NamedTuple):
    """How values of one type travel.

    Attributes:
        encode: Returns a value as plain data; ``None`` if it is plain data itself.
        decode: Restores a value from plain data; ``None`` if it is plain data itself.
        classes: The classes that its values may have; none if any is possible.
    """

    encode: Convert | None
    decode: Convert | None
    classes: tuple[type, ...]


class NotCarried(TypeError):
    """Values of a declared type cannot travel between processes."""


CodecOf = Callable[[Any], Codec]


class Row:
    """An array of values, each with its own type."""

    def __init__(self, codecs: Iterable[Codec]) -> None:
        places = list(enumerate(codecs))
        self._encoders = [(place, one.encode) for place, one in places if one.encode]
        self._decoders = [(place, one.decode) for place, one in places if one.decode]

    def encode(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return the values as plain data."""
        if not self._encoders:
            return values
        row = list(values)
        for place, encode in self._encoders:
            row[place] = encode(row[place])
        return row

    def decode(self, row: list[Any]) -> list[Any]:
        """Restore the values, in place."""
        for place, decode in self._decoders:
            row[place] = decode(row[place])
        return row


def named_tuple_codec(kind: Any, codec_of: CodecOf) -> Codec:
    """Compile a ``NamedTuple``."""
    row = Row(map(codec_of, get_type_hints(kind).values()))
    make, decode_row = partial(tuple.__new__, kind), row.decode

    def decode(values: list[Any]) -> Any:
        return make(decode_row(values))

    return Codec(row.encode, decode, (kind,))


def dataclass_codec(kind: Any, codec_of: CodecOf) -> Codec:
    """Compile a dataclass."""
    hints = get_type_hints(kind)
    names = tuple(field.name for field in fields(kind))
    row = Row(codec_of(hints[name]) for name in names)
    read, encode_row, decode_row, new = _reader(names), row.encode, row.decode, kind.__new__

    def encode(value: Any) -> Sequence[Any]:
        if value.__class__ is not kind:
            raise TypeError(f"{type(value)} is not {kind}.")
        return encode_row(read(value))

    def decode(values: list[Any]) -> Any:
        # Past the constructor: frozen dataclasses set their fields one by one, which is slow.
        value = new(kind)
        value.__dict__.update(zip(names, decode_row(values), strict=True))
        return value

    return Codec(encode, decode, (kind,))


def model_codec(kind: type[BaseModel], codec_of: CodecOf) -> Codec:
    """Compile a model, which also carries which of its fields were given.

    Raises:
        NotCarried: It has values besides its fields.
    """
    if kind.__private_attributes__ or kind.model_config.get("extra") == "allow":
        raise NotCarried(f"{kind} has values besides its fields.")
    names = tuple(kind.model_fields)
    row = Row(codec_of(field.annotation) for field in kind.model_fields.values())
    read, encode_row, decode_row, new = _reader(names), row.encode, row.decode, kind.__new__
    # A generic model is often made without its parameters.
    kinds = tuple({kind, kind.__pydantic_generic_metadata__["origin"] or kind})
    put = object.__setattr__

    def has_these_fields(value: Any) -> bool:
        return isinstance(value, kind) and len(type(value).model_fields) == len(names)

    def encode(value: Any) -> Sequence[Any]:
        if value.__class__ not in kinds and not has_these_fields(value):
            raise TypeError(f"{type(value)} is not {kind}.")
        given = value.model_fields_set
        return None if len(given) == len(names) else given, encode_row(read(value))

    def decode(values: list[Any]) -> Any:
        # As pydantic restores a pickled model: without validating it again.
        given, data = values
        value = new(kind)
        put(value, "__dict__", dict(zip(names, decode_row(data), strict=True)))
        put(value, "__pydantic_fields_set__", set(names if given is None else given))
        put(value, "__pydantic_extra__", None)
        put(value, "__pydantic_private__", None)
        return value

    return Codec(encode, decode, kinds)


def _reader(names: tuple[str, ...]) -> Callable[[Any], Sequence[Any]]:
    """Return a function that reads these attributes of an object."""
    if len(names) < 2:
        return lambda value: [getattr(value, name) for name in names]
    return attrgetter(*names)
