"""The remote methods of a class, and their calls as bytes.

A request is the name of the target, the name of the method, the arguments and the ids with which
its work is logged; an answer is a result or an error. Both are MessagePack, with values as
``actors.calls.codec`` makes them from the types that the method declares. How the bytes travel is
not known here.
"""

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from inspect import Parameter, signature
from typing import Any, NamedTuple, get_type_hints

import msgspec

from actors.calls.codec import codec_of
from actors.calls.errors import decode_error, encode_error
from actors.calls.frames import MAX_FRAME_BYTES
from actors.calls.objects import Codec, Convert, NotCarried
from everruns.errors import EverrunsError, TooLarge
from everruns.log import current_ids
from everruns.remote import Declaration, declarations
from everruns.tools.base import ToolError

RESULT, ERROR = 0, 1

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode


class Request(NamedTuple):
    """A request whose arguments are not decoded yet: their types depend on the method.

    Attributes:
        target: The object that is called, by its name.
        method: The method.
        args: Its positional arguments.
        kwargs: The others, by name.
        ids: The caller's ids for the log.
    """

    target: str
    method: str
    args: list[Any]
    kwargs: dict[str, Any]
    ids: dict[str, str]


class RemoteMethod:
    """A method that other processes may call.

    Attributes:
        function: The method itself, as a function of its class.
        declaration: What it declares of its calls.
        names: The names of its parameters, in order.
    """

    def __init__(self, kind: type, name: str, declaration: Declaration) -> None:
        self.function: Any = getattr(kind, name)
        self.declaration = declaration
        self.names = list(signature(self.function).parameters)[1:]
        self._name = name

    @cached_property
    def parameters(self) -> Mapping[str, Codec]:
        """How its arguments travel, in the order of its parameters.

        Raises:
            NotCarried: An argument could not be restored as it was.
        """
        declared = signature(self.function).parameters.values()
        if any(one.kind in {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD} for one in declared):
            raise NotCarried(f"{self.function.__qualname__} does not name all its parameters.")
        hints = get_type_hints(self.function)
        return {name: codec_of(hints[name]) for name in self.names}

    @cached_property
    def result(self) -> Codec:
        """How its result travels.

        Raises:
            NotCarried: A result could not be restored as it was.
        """
        return codec_of(get_type_hints(self.function)["return"])

    @cached_property
    def _encoders(self) -> "Converters":
        return Converters({name: codec.encode for name, codec in self.parameters.items()})

    @cached_property
    def _decoders(self) -> "Converters":
        return Converters({name: codec.decode for name, codec in self.parameters.items()})

    def encode_request(self, target: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
        """Return a request as bytes.

        Raises:
            TooLarge: It is longer than ``MAX_FRAME_BYTES``.
            TypeError: An argument is not what the method declares.
        """
        if len(args) > len(self.names) or not self._encoders.named.keys() >= kwargs.keys():
            raise TypeError(f"{self.function.__qualname__} does not have these parameters.")
        request = _pack((target, self._name, *self._encoders.convert(args, kwargs), current_ids()))
        if len(request) > MAX_FRAME_BYTES:
            raise TooLarge(
                f"The request has {len(request):,} bytes, which is too many. Send less at a time."
            )
        return request

    def decode_arguments(self, request: Request) -> tuple[list[Any], dict[str, Any]]:
        """Return the positional and the named arguments of a request."""
        return self._decoders.convert(request.args, request.kwargs)

    def encode_result(self, result: Any) -> bytes:
        """Return the answer with a result, or with an error if the result is too large."""
        encode = self.result.encode
        answer = _pack((RESULT, result if encode is None else encode(result)))
        if len(answer) > MAX_FRAME_BYTES:
            return encode_failure(
                TooLarge(
                    f"The answer has {len(answer):,} bytes, which is too many. Request less at a "
                    "time."
                )
            )
        return answer

    def decode_answer(self, answer: bytes) -> Any:
        """Return the result of an answer.

        Raises:
            EverrunsError: The error that was the answer.
            ToolError: The same.
        """
        kind, content = _unpack(answer)
        if kind == ERROR:
            raise decode_error(content)
        decode = self.result.decode
        return content if decode is None else decode(content)


class Converters:
    """Functions for the arguments of a method; ``None`` for those that stay as they are.

    Attributes:
        named: One for each parameter, by its name.
    """

    def __init__(self, named: Mapping[str, Convert | None]) -> None:
        self.named = named
        self._placed = tuple(named.values())

    def convert(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Return the positional and the named arguments, converted."""
        placed = [
            value if convert is None else convert(value)
            for convert, value in zip(self._placed, args, strict=False)
        ]
        named: dict[str, Any] = {}
        for name, value in kwargs.items():
            convert = self.named[name]
            named[name] = value if convert is None else convert(value)
        return placed, named


@cache
def contract_of(kind: type) -> Mapping[str, RemoteMethod]:
    """Return the methods of a class that other processes may call, by name."""
    return {name: RemoteMethod(kind, name, one) for name, one in declarations(kind).items()}


def method_of(target: object, request: Request) -> RemoteMethod:
    """Return the method that a request is for.

    Args:
        target: The object that the request names, or ``None`` if there is none.
        request: The request.

    Raises:
        EverrunsError: There is no such object or method, or the method is not declared remote.
    """
    method = contract_of(type(target)).get(request.method)
    if method is None:
        raise EverrunsError(f"There is no remote method {request.target}.{request.method}.")
    return method


def decode_request(request: bytes) -> Request:
    """Return a request whose arguments are not decoded yet.

    Raises:
        EverrunsError: The bytes are not a request.
    """
    try:
        target, method, args, kwargs, ids = _unpack(request)
        return Request(target, method, args, kwargs, dict(ids))
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        raise EverrunsError("The bytes received are not a request.") from error


def encode_failure(error: EverrunsError | ToolError) -> bytes:
    """Return the answer with an error."""
    return _pack((ERROR, encode_error(error)))
