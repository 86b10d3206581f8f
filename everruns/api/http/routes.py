"""Routes as their modules declare them: what they are called, and who may use them.

A module declares its routes once, each at the function that serves it; every face that lists the
module builds routes of its own from them (``everruns.api.http.faces``).

Source: docs/contract.md, "Routes".
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict, TypeVar, Unpack

from fastapi import params
from starlette.responses import Response

from everruns.api.http.access import Access
from everruns.api.http.reads import Reads
from everruns.domain.rights import Right

Handler = Callable[..., Any]
Declared = TypeVar("Declared", bound=Handler)


class Options(TypedDict, total=False):
    """What the framework is told of a route besides its path and its function."""

    name: str
    status_code: int
    response_model: Any
    response_class: type[Response]
    responses: dict[int | str, dict[str, Any]]
    include_in_schema: bool


@dataclass(frozen=True)
class Route:
    """A route that belongs to no face yet.

    Attributes:
        methods: Its HTTP methods.
        path: Its path after the prefix of a face.
        handler: Serves its requests.
        access: Who may use it.
        reads: What the handler reads of a request by itself.
        is_alias: Whether its path is another name of a documented one.
        options: What else the framework is told of it.
    """

    methods: Sequence[str]
    path: str
    handler: Handler
    access: Access
    reads: Reads | None
    is_alias: bool
    options: Options


class Routes:
    """The routes of one module.

    Args:
        tag: The group of its operations in the OpenAPI document.
        alias: How its paths begin, and with what they can begin too.
        dependencies: What is resolved before each of its routes.
    """

    def __init__(
        self,
        tag: str,
        *,
        alias: tuple[str, str] | None = None,
        dependencies: Sequence[params.Depends] = (),
    ) -> None:
        self.tag = tag
        self.dependencies = dependencies
        self._alias = alias
        self._routes: list[Route] = []

    def add(
        self,
        operation: str,
        right: Right | None = None,
        *,
        is_for_keys: bool = False,
        is_for_all: bool = False,
        is_stream: bool = False,
        keeps_scope: bool = False,
        reads: Reads | None = None,
        **options: Unpack[Options],
    ) -> Callable[[Declared], Declared]:
        """Declare the route that the decorated function serves.

        Args:
            operation: Its methods and its path, e.g. ``GET /agents/{agent_id}``.
            right: The right that it needs. Without one it is for API keys without limits alone.
            is_for_keys: See ``Access``.
            is_for_all: See ``Access``.
            is_stream: See ``Access``.
            keeps_scope: See ``Access``.
            reads: What the function reads of a request by itself.
            options: What else the framework is told of it.
        """
        *methods, path = operation.split()
        access = Access(
            right,
            is_for_keys=is_for_keys,
            is_for_all=is_for_all,
            is_stream=is_stream,
            keeps_scope=keeps_scope,
        )

        def declare(handler: Declared) -> Declared:
            route = Route(methods, path, handler, access, reads, is_alias=False, options=options)
            self._routes.append(route)
            return handler

        return declare

    def __iter__(self) -> Iterator[Route]:
        """Yield every route in the order of declaration, and those of the alias after them."""
        yield from self._routes
        if self._alias is not None:
            path, other = self._alias
            for route in self._routes:
                yield replace(route, path=other + route.path.removeprefix(path), is_alias=True)
