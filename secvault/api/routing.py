"""Routes: declared by each part of the interface, built when they are first asked for.

There are some 600. To build one, the framework reads its signature and makes a validator for each
parameter and answer: for all of them that is most of what a process does while it starts, and the
framework's own router builds each twice, when its module is loaded and when it is included. Here a
module only declares, and until a request comes, a route is its path, methods and endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette.routing import compile_path, get_name

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Routes:
    """The routes of one part and what they have in common, until an application takes them.

    prefix: what all paths begin with. dependencies: what is asked before each endpoint. tags,
    responses: what all have in the description, which has none of them unless include_in_schema.
    The options of a route are those of FastAPI's `add_api_route`.
    """

    def __init__(
        self,
        *,
        prefix: str = "",
        dependencies: Iterable[Depends] = (),
        tags: Iterable[str] = (),
        responses: Mapping[int | str, dict[str, Any]] | None = None,
        include_in_schema: bool = True,
    ) -> None:
        self._prefix = prefix
        self._dependencies = list(dependencies)
        self._tags = list(tags)
        self._responses = dict(responses or {})
        self._in_schema = include_in_schema
        self._declared: list[tuple[str, Callable[..., Any], dict[str, Any]]] = []

    def route(
        self, path: str, methods: Iterable[str], **options: Any
    ) -> Callable[[Endpoint], Endpoint]:
        """Declare that `methods` on `path` are answered by the endpoint."""
        common = {
            "methods": list(methods),
            "dependencies": [*self._dependencies, *options.pop("dependencies", ())],
            "tags": self._tags,
            "responses": {**self._responses, **options.pop("responses", {})},
            "include_in_schema": options.pop("include_in_schema", True) and self._in_schema,
        }

        def declare(endpoint: Endpoint) -> Endpoint:
            self._declared.append((self._prefix + path, endpoint, {**common, **options}))
            return endpoint

        return declare

    def get(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Declare what answers GET on `path`."""
        return self.route(path, ["GET"], **options)

    def head(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Declare what answers HEAD on `path`."""
        return self.route(path, ["HEAD"], **options)

    def post(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Declare what answers POST on `path`."""
        return self.route(path, ["POST"], **options)

    def put(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Declare what answers PUT on `path`."""
        return self.route(path, ["PUT"], **options)

    def patch(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Declare what answers PATCH on `path`."""
        return self.route(path, ["PATCH"], **options)

    def delete(self, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
        """Declare what answers DELETE on `path`."""
        return self.route(path, ["DELETE"], **options)

    def add_to(self, app: FastAPI) -> None:
        """Have `app` answer these routes, tried in the order in which they were declared."""
        app.router.route_class = LateRoute
        for path, endpoint, options in self._declared:
            app.add_api_route(path, endpoint, **options)


class LateRoute(APIRoute):
    """A route that is built when something beside its path, methods and endpoint is asked for."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.path = path
        self.endpoint = endpoint
        self.name = options.get("name") or get_name(endpoint)
        self.methods = {method.upper() for method in options["methods"]}
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)
        self._options = options

    @cached_property
    def _built(self) -> APIRoute:
        try:
            return APIRoute(self.path, self.endpoint, **self._options)
        except AttributeError as error:
            # Python would take it for a missing `_built`, and ask for that again and again.
            raise RuntimeError(f"the route {self.path} cannot be built: {error}") from error

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._built, name)
