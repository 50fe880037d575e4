"""Searching the records of a collection.

By POST, because what is searched for may be personal: it must stand in no address, no browser's
history and no log of a proxy. Nothing is changed by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Form, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.records import CollectionName
from secvault.api.routing import Routes
from secvault.console.choice_words import choice_of
from secvault.console.language import Language, language_of
from secvault.console.page import elsewhere, page
from secvault.console.record_fields import as_value
from secvault.console.record_words import titled
from secvault.console.records import PAGE, listed, ways_of
from secvault.console.visitor import Visiting
from secvault.console.zone import link_typed
from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput
from secvault.records.collection import Collection, Field
from secvault.records.value import FieldType
from secvault.service import record_search
from secvault.service.record_asking import collection_of
from secvault.service.record_search import SearchPage

router = Routes(include_in_schema=False)

# An id begins with a letter or a digit, so that no record is ever at this path.
PATH = "/records/{collection}/-/search"

Typed = Annotated[str, Form(max_length=1000)]
_NOTHING = SearchPage((), "")


@dataclass(frozen=True)
class Asked:
    """What the form asks for. by: as `Way.value`. to: the end of a range."""

    by: str = ""
    value: str = ""
    to: str = ""


@router.get(PATH)
@operation("{department}/{collection}", "record.list")
def search_form(at: Visiting, collection: CollectionName) -> Response:
    """The list, where the form is: a search has no address."""
    return elsewhere(f"/records/{collection_of(at.service, collection).name}")


@router.post(PATH)
@operation("{department}/{collection}", "record.list", "record.read")
def search(
    request: Request,
    at: Visiting,
    collection: CollectionName,
    by: Typed = "",
    value: Typed = "",
    to: Typed = "",
    after: Annotated[str, Form(max_length=4096)] = "",
) -> Response:
    """A page of the records that fit."""
    known, language = collection_of(at.service, collection), language_of(request)
    asked, problem, found = Asked(by, value.strip(), to.strip()), "", _NOTHING
    ways = ways_of(at, known, language)
    try:
        where = _where(known, asked, language)
        found = record_search.search_records(
            at.service, at.caller, collection, where, after=after, limit=PAGE
        )
    except InvalidInput as error:
        problem = error.detail
    return page(
        request,
        "records/found.html",
        422 if problem else 200,
        visitor=at,
        collection=known,
        title=titled(known.title, language),
        ways=ways,
        asked=asked,
        problem=problem,
        next=found.next,
        now=at.service.clock.micros(),
        **listed(found.records, known, language),
    )


def _where(collection: Collection, asked: Asked, language: Language) -> dict[str, JsonValue]:
    """The search of the form. What the visitor may not search by is for the operation to refuse."""
    name, _, how = asked.by.partition(":")
    field = collection.fields.get(name)
    if field is None:
        raise InvalidInput.at("by", "choose one of the fields that are offered")
    if how == "range":
        ends = (("from", asked.value), ("to", asked.to))
        return {name: {end: _typed(field, text, language) for end, text in ends if text}}
    if how in ("prefix", "last"):
        return {name: {how: asked.value}}
    return {name: {"is": _typed(field, asked.value, language) if asked.value else None}}


def _typed(field: Field, text: str, language: Language) -> JsonValue:
    """What somebody typed, as the search takes it: of money with its currency behind it, of a
    choice its word or the choice itself, of a moment by the clocks of their zone.
    """
    if field.type is FieldType.CHOICE:
        return choice_of(text, field.limits.choices, language)
    if field.type is FieldType.MONEY:
        amount, _, currency = text.partition(" ")
        return as_value(field, amount, currency)
    if field.type is FieldType.DATETIME:
        return link_typed(text, language.zone)
    return as_value(field, text)
