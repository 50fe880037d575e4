"""Who asks, what is to be done, and what came of it: what goes along the spine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy import Connection

from secvault.access import NO_FIELD, About
from secvault.audit.event import Personal
from secvault.identity.principal import Principal

T = TypeVar("T")


@dataclass(frozen=True)
class Made:
    """Who made an object, and who acts on it now, as the condition `not_maker` is told."""

    makers: frozenset[str]
    acting: frozenset[str]


@dataclass(frozen=True)
class Caller:
    """Who asks, authenticated, and under which request.

    actions: what the route declared that it does; anything else is refused. None for the
    command line and the jobs, which have no routes. reason: what a second person is told who is
    asked to approve, when the operation turns out to need one; empty to ask nobody. address: where
    the request comes from, as the server's socket has it; empty for what comes by none. ticket:
    what the caller names as the cause, of a form that `Surroundings.is_ticket` knows; may be empty.
    commissioned: the program does now what this person asked for earlier; their session may have
    ended since, but they must still be there, and hold the rights. agent: what the program that
    asks calls itself; may be empty. here: at the machine's own command line, what is known of who
    runs it; for the log alone, for nobody has shown it.
    """

    principal: Principal
    request_id: str = ""
    actions: frozenset[str] | None = None
    reason: str = ""
    address: str = ""
    ticket: str = ""
    commissioned: bool = False
    agent: str = ""
    here: Personal | None = None


@dataclass(frozen=True)
class Operation:
    """What is about to be done, to what, in which department.

    object: what the policy's rows name (a collection, a key, a plan). resource: the whole slash
    path, most general first, for the audit log. about: what the store says of the one object, for
    conditions that look at it; asked in the transaction of the act where there is one. made: the
    same of who made it; on the connection of the act with True, when the object must stay as it is
    until that ends. kind: of the audit entry, where it is not the action.
    """

    action: str
    department: str
    object: str
    resource: str
    field: str = NO_FIELD
    made: Callable[[Connection, bool], Made] | None = None
    about: Callable[[Connection], About] | None = None
    kind: str = ""


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What an act gives back, and what the audit entry says of it beside the operation."""

    value: T
    fields: tuple[str, ...] = ()
    count: int = 1
    detail: Mapping[str, str | int | bool] = field(default_factory=dict)
