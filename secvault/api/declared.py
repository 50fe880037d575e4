"""What each route declares: its action, or why it is open to everybody.

The application refuses to start with a route that declares neither, and the spine refuses an
operation that the route did not declare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from secvault.errors import ConfigurationError

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
_MARK = "__secvault_declared__"


@dataclass(frozen=True)
class Declaration:
    """The actions that a route may ask for, on which resource; or, open, the reason for it.

    ordered: the same actions as declared, the one that it always asks for first.
    """

    actions: frozenset[str]
    resource: str
    open_because: str = ""
    ordered: tuple[str, ...] = ()


def operation(resource: str, *actions: str) -> Callable[[Endpoint], Endpoint]:
    """Declare the actions of a route and the shape of its resource path."""

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _MARK, Declaration(frozenset(actions), resource, ordered=actions))
        return endpoint

    return mark


def open_to_all(reason: str) -> Callable[[Endpoint], Endpoint]:
    """Declare that a route answers everybody, and why that gives nothing away."""

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _MARK, Declaration(frozenset(), "", reason))
        return endpoint

    return mark


def declaration_of(endpoint: Callable[..., Any] | None) -> Declaration | None:
    """What the route declares, or None."""
    found = getattr(endpoint, _MARK, None)
    return found if isinstance(found, Declaration) else None


def require_declared(app: FastAPI) -> None:
    """Raise ConfigurationError for a route that declares nothing, or is open without a reason."""
    for path, declared in declarations(app):
        if declared is None or not (declared.actions or declared.open_because):
            raise ConfigurationError(f"the route {path} declares no action")


def declarations(app: FastAPI) -> Iterator[tuple[str, Declaration | None]]:
    """Every route of `app`, those of included routers too, with what it declares."""
    for route in iter_route_contexts(app.routes):
        yield str(route.path), declaration_of(route.endpoint)
