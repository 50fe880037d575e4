"""A new collection for a department: described in a form, looked at, put in force by two people.

It is a change of the policy, and goes the way of every such change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.forms import MENDABLE, Fault, Reason, Text, Word, because, fault_of
from secvault.console.language import language_of
from secvault.console.page import elsewhere, page
from secvault.console.record_words import titled
from secvault.console.visitor import Visiting, Visitor
from secvault.errors import NotFound
from secvault.records.collection import Sensitivity
from secvault.records.mask import Mask
from secvault.records.value import FieldType
from secvault.service.policies import operations as policies
from secvault.service.policies.new_collection import (
    NewCollection,
    NewField,
    departments_of,
    with_collection,
)
from secvault.service.policies.planning import Plan

router = Routes(include_in_schema=False)

NEW = "/new-collection"
ROWS, MORE, MOST = 5, 5, 60
"""Of fields: so many in an empty form, so many more when asked, and at most."""
_PARTS = ("name", "en", "vi", "type", "class", "mask", "required", "choices")
_GAINS = 30


@dataclass(frozen=True)
class Row:
    """One field as it was typed; empty where nothing was."""

    name: str = ""
    en: str = ""
    vi: str = ""
    type: str = "text"
    sensitivity: str = "normal"
    mask: str = "hidden"
    required: str = ""
    choices: str = ""


@dataclass(frozen=True)
class Typed:
    """The form as it was filled in."""

    department: str = ""
    name: str = ""
    en: str = ""
    vi: str = ""
    rows: tuple[Row, ...] = field(default=(Row(),) * ROWS)


async def _rows(request: Request) -> tuple[Row, ...]:
    form = await request.form()
    said = [[str(one)[:400] for one in form.getlist(f"field_{part}")][:MOST] for part in _PARTS]
    return tuple(Row(*values) for values in zip_longest(*said, fillvalue=""))


Rows = Annotated[tuple[Row, ...], Depends(_rows)]


@router.get(NEW)
@operation("it/policy", "policy.apply", "policy.read")
def new_form(request: Request, at: Visiting) -> Response:
    """The form, for who may change the policy."""
    at.service.spine.decide(at.caller, policies.APPLY)
    return _form(request, at, Typed())


@router.post(NEW)
@operation("it/policy", "policy.apply", "policy.read")
def add(
    request: Request,
    at: Visiting,
    rows: Rows,
    department: Word = "",
    name: Text = "",
    en: Text = "",
    vi: Text = "",
    step: Word = "",
    plan: Word = "",
    reason: Reason = "",
) -> Response:
    """Show what the collection would open to whom, or put it in force. plan: what was looked at.

    step: `more` for more rows, `look`, or `apply`.
    """
    typed = Typed(department, name.strip(), en.strip(), vi.strip(), rows or (Row(),) * ROWS)
    if step == "more":
        more = (Row(),) * min(MORE, MOST - len(rows))
        return _form(request, at, Typed(department, name, en, vi, rows + more))
    try:
        bundle = with_collection(policies.show(at.service, at.caller).bundle, _collection(typed))
        if step != "apply":
            seen = policies.plan(at.service, at.caller, bundle)
            return _form(request, at, typed, seen=seen)
        note = f"New collection {department}/{typed.name}"
        policies.apply(
            at.service, because(at, reason), bundle, note=note[:200], expected=plan or None
        )
    except MENDABLE as error:
        return _form(request, at, typed, fault_of(error), status=error.status)
    return elsewhere(f"{NEW}/{typed.name}")


@router.get(f"{NEW}/{{collection}}")
@operation("it/policy", "policy.read")
def made(request: Request, at: Visiting, collection: str) -> Response:
    """The collection as it is in force, and what comes next."""
    shown = policies.show(at.service, at.caller)
    known = at.service.collections.get(collection)
    if known is None:
        raise NotFound(f"there is no collection {collection[:64]!r}")
    language = language_of(request)
    return page(
        request,
        "records/collection.html",
        visitor=at,
        collection=known,
        title=titled(known.title, language),
        fields=[(one, titled(one.title, language)) for one in known.fields.values()],
        version=shown.version,
        now=at.service.clock.micros(),
    )


def _collection(typed: Typed) -> NewCollection:
    return NewCollection(
        typed.department,
        typed.name,
        {"en": typed.en or typed.vi, "vi": typed.vi},
        tuple(_fields(typed.rows)),
    )


def _fields(rows: Iterable[Row]) -> Iterable[NewField]:
    for row in rows:
        name, en, vi = row.name.strip(), row.en.strip(), row.vi.strip()
        if not (name or en or vi):
            continue
        choices = [one.strip() for one in row.choices.split(",") if one.strip()]
        yield NewField(
            name,
            {"en": en or vi, "vi": vi},
            row.type,
            row.sensitivity,
            row.mask,
            row.required == "yes",
            choices if row.type == FieldType.CHOICE else (),
        )


def _form(
    request: Request,
    at: Visitor,
    typed: Typed,
    fault: Fault | None = None,
    *,
    seen: Plan | None = None,
    status: int = 200,
) -> Response:
    return page(
        request,
        "records/new_collection.html",
        status,
        visitor=at,
        typed=typed,
        fault=fault,
        departments=departments_of(policies.show(at.service, at.caller).bundle),
        types=tuple(FieldType),
        classes=tuple(Sensitivity),
        masks=tuple(Mask),
        may_add=len(typed.rows) < MOST,
        seen=seen,
        gains=_gains(seen) if seen else {},
        now=at.service.clock.micros(),
    )


def _gains(seen: Plan) -> Mapping[str, int]:
    """Who comes to may something, and how much; people and systems by the names that they have."""
    found: dict[str, int] = {}
    for who, changes in seen.gains.items():
        if who.startswith(("role:", "user:", "svc:")):
            name = seen.names.get(who, who)
            found[name] = found.get(name, 0) + len(changes)
    return dict(sorted(found.items())[:_GAINS])
