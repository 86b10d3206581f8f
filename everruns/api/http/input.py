"""What a route takes of a request: a body or none, its fields, and parameters of the query.

A strict face refuses what it does not know, since what is ignored looks like what has no effect.
The other one takes whatever clients of the wider Everruns API send, except for what promises
something that is not there.

Source: docs/contract.md, "Requests".
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Self, TypeVar, get_args, get_origin

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request

from everruns.api.http.errors import invalid_request
from everruns.api.http.promises import refuse_promises
from everruns.api.http.reads import Reads
from everruns.domain.names import LONGEST_SHOWN, unknown_name
from everruns.domain.problems import models_of, problems_of

Value = TypeVar("Value", bound=BaseModel)


def is_strict(request: Request) -> bool:
    """Tell whether the request's route refuses what it does not know."""
    return request.scope["route"].is_strict


def validate(
    model: type[Value], value: Any, place: str = "body", *, is_strict: bool = False
) -> Value:
    """Validate a value against a type.

    Args:
        model: The type.
        value: The value, as it was sent.
        place: Where it was sent, for errors about the whole.
        is_strict: Whether unknown fields are refused, at every depth.

    Raises:
        InvalidRequest: It does not match; the message names the fields and the reasons.
        NotImplementedHere: It asks for something that this server does not offer.
    """
    if not is_strict:
        refuse_promises(model, value)
    try:
        return model.model_validate(value, extra="forbid" if is_strict else None)
    except ValidationError as error:
        raise invalid_request(place, problems_of(error, model)) from None


def check_query(query: QueryParams, known: Collection[str], repeatable: Collection[str]) -> None:
    """Refuse query parameters that are unknown or given twice.

    Args:
        query: The parameters.
        known: The names of those that the route takes.
        repeatable: Those that can be given several times.

    Raises:
        InvalidRequest: The message names the parameter and the nearest known one.
    """
    problems = list(_problems(query, known, repeatable))
    if problems:
        raise invalid_request("query", problems)


def _problems(
    query: QueryParams, known: Collection[str], repeatable: Collection[str]
) -> Iterator[tuple[str, str]]:
    for name in query:
        if name not in known:
            yield name[:LONGEST_SHOWN], unknown_name(known, name, "query parameter")
        elif name not in repeatable and len(query.getlist(name)) > 1:
            yield name, "is given more than once"


@dataclass(frozen=True)
class RouteInput:
    """What a route takes, as far as the framework reads it.

    Routes that read bodies and queries by hand check them by hand, with the functions above.

    Attributes:
        body: The type of its body; ``None`` if it has none or reads it by hand.
        takes_body: Whether it has a body of any kind, or takes whatever comes.
        queries: Its query parameters; ``None`` if anything goes, or it reads them by hand.
        lists: Those of them that can be repeated.
        is_strict: Whether it refuses what it does not know.
    """

    body: type[BaseModel] | None
    takes_body: bool
    queries: frozenset[str] | None
    lists: frozenset[str]
    is_strict: bool

    @classmethod
    def of(cls, route: APIRoute, reads: Reads | None, *, is_strict: bool) -> Self:
        """Return the input of a route, apart from what its handler reads by itself."""
        annotation = route.body_field.field_info.annotation if route.body_field else None
        models = models_of(annotation)
        declared = dict(_queries(route.dependant))
        own = reads or Reads()
        # A route that is not documented refuses everything, and says why.
        is_checked = is_strict and route.include_in_schema
        return cls(
            body=models[0] if models else None,
            takes_body=bool(models) or own.takes_body or not is_checked,
            queries=frozenset(declared) if is_checked and not own.takes_query else None,
            lists=frozenset(name for name, annotation in declared.items() if _is_list(annotation)),
            is_strict=is_strict,
        )

    async def check(self, request: Request) -> None:
        """Refuse a request that the route does not take.

        Raises:
            InvalidRequest: The message names the field or the parameter and the reason.
            NotImplementedHere: It asks for something that this server does not offer.
        """
        if self.queries is not None and request.scope["query_string"]:
            check_query(request.query_params, self.queries, self.lists)
        if self.body is None or not await request.body():
            return
        value = await request.json()
        # Whether there may be none is the framework's to say.
        if value is not None:
            validate(self.body, value, is_strict=self.is_strict)


def _queries(dependant: Dependant) -> Iterator[tuple[str, Any]]:
    """Yield the name and the type of each query parameter of a route and what it depends on."""
    for field in dependant.query_params:
        yield field.alias, field.field_info.annotation
    for below in dependant.dependencies:
        yield from _queries(below)


def _is_list(annotation: Any) -> bool:
    return any(get_origin(kind) is list for kind in (annotation, *get_args(annotation)))
