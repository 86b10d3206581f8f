"""Faces of the API: lists of routes under a prefix.

Source: docs/contract.md, "Routes".
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any

from everruns.api.http.access import GuardedRoute
from everruns.api.http.parameters import DEFAULT_LIMIT, MAX_LIMIT, Limit, limit_parameter
from everruns.api.http.routes import Handler, Route, Routes


@dataclass(frozen=True)
class Face:
    """One face of the API.

    Attributes:
        prefix: What its paths begin with.
        routes: What it has. Requests are matched in this order, so the busiest come first.
        operation_prefix: What the names of its operations and their groups begin with in the
            OpenAPI document.
        schema_form: What a request's schema is named there if another schema has its name.
        audience: Who it is for, as a sentence of that document.
        default_limit: How many items a list returns by default.
        max_limit: How many items a list can return.
        is_strict: Whether it refuses fields, query parameters and bodies that it does not know.
    """

    prefix: str
    routes: Sequence[Routes]
    operation_prefix: str = ""
    schema_form: str = "{}Input"
    audience: str = ""
    default_limit: int = DEFAULT_LIMIT
    max_limit: int = MAX_LIMIT
    is_strict: bool = False

    def tag(self, name: str) -> str:
        """Return the name of a group of its operations in the OpenAPI document."""
        return self.operation_prefix + name

    def schema_name(self, name: str) -> str:
        """Return the name of a request's schema there, if another schema has the plain name."""
        return self.schema_form.format(name)

    def build(self) -> list[GuardedRoute]:
        """Return its routes, for an application to serve."""
        return [self._build(route, routes) for routes in self.routes for route in routes]

    def _build(self, route: Route, routes: Routes) -> GuardedRoute:
        name = route.options.get("name", getattr(route.handler, "__name__", ""))
        return GuardedRoute(
            self.prefix + route.path,
            self._within_limits(route.handler),
            methods=route.methods,
            tags=[self.tag(routes.tag)],
            dependencies=routes.dependencies,
            operation_id=self.operation_prefix + name,
            access=route.access,
            reads=route.reads,
            is_alias=route.is_alias,
            is_strict=self.is_strict,
            **route.options,
        )

    def _within_limits(self, handler: Handler) -> Handler:
        """Return a handler whose parameter ``limit`` has the bounds of this face."""
        signature = inspect.signature(handler)
        limit = signature.parameters.get("limit")
        own = self.default_limit, self.max_limit
        if limit is None or limit.annotation != Limit or own == (DEFAULT_LIMIT, MAX_LIMIT):
            return handler

        @wraps(handler)
        async def limited(**parameters: Any) -> Any:
            return await handler(**parameters)

        annotation = Annotated[int, limit_parameter(self.max_limit)]
        limit = limit.replace(annotation=annotation, default=self.default_limit)
        parameters = {**signature.parameters, "limit": limit}.values()
        # The framework reads the parameters of a handler from its signature.
        limited.__dict__["__signature__"] = signature.replace(parameters=list(parameters))
        return limited
