"""Searching records: found is only what is shown, and shown only what may be searched by.

Whether a value is found says what it is. So a field takes part in a search, as a condition or as
what is sorted by, only in records where it is shown to the caller in clear; records where it is
masked or withheld are left out in the question to the database, before anything is counted, opened
or put on a page. Where there is no record of the kind at all, the search is refused, as reading the
field would be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from secvault.access import About, Access, Decision, FieldAccess
from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput, NotFound, Refused
from secvault.records import facts
from secvault.records import record as rows
from secvault.records.blind_index import IndexKeys
from secvault.records.collection import OWN_ID, Collection
from secvault.records.search import find_records
from secvault.records.search_cursor import cursor_key, cursor_of, place_at
from secvault.records.search_terms import Search, parse_search
from secvault.service.asking import asker_of
from secvault.service.record_views import RecordView, Shown, about_of, approved_in
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

PAGE_LIMIT = 500
KIND = "record.search"


@dataclass(frozen=True)
class SearchPage:
    """Some of the records that were found, in order; `next` continues, empty at the end."""

    records: tuple[RecordView, ...]
    next: str


def search_records(
    service: Service,
    caller: Caller,
    collection_name: str,
    where: Mapping[str, JsonValue],
    sort: str = OWN_ID,
    after: str = "",
    limit: int = 50,
) -> SearchPage:
    """A page of the records that fit and that the caller may see, each as far as they may.

    where, sort: see `search_terms.parse_search`. after: the `next` of the page before. The page is
    as long as its limit unless there is no more; only where very many values share a token it may
    be shorter, and has a `next` then (`search.MOST_OPENED`). Raises InvalidInput; Refused for a
    field that is not shown to the caller in clear; Conflict while an index is not complete.
    """
    collection = service.collections.get(collection_name)
    if collection is None:
        raise NotFound(f"there is no collection {collection_name[:64]}")
    if not 1 <= limit <= PAGE_LIMIT:
        raise InvalidInput.at("limit", f"use 1 to {PAGE_LIMIT}")
    resource = f"{collection.department}/{collection.name}"
    operation = Operation(
        "record.list", collection.department, collection.name, resource, kind=KIND
    )
    sorts = facts.sorts_of(collection, asker_of(caller.principal))
    # Whoever may see no record of any kind is not told what would be wrong with the search.
    listed = service.spine.some(caller, operation, [sort.about for sort in sorts])
    search = parse_search(collection, where, sort)
    shown = Shown(service, caller, collection)
    allowed = where_in_clear(service, caller, operation, search, shown, listed)
    return _found(service, caller, operation, collection, search, shown, allowed, after, limit)


def where_in_clear(
    service: Service,
    caller: Caller,
    operation: Operation,
    search: Search,
    shown: Shown,
    listed: Mapping[About, Decision],
) -> Mapping[About, Decision]:
    """The kinds of records in which every field of the search is shown in clear.

    Raises Refused, recorded, when there are none.
    """
    hidden: list[tuple[About, str, FieldAccess]] = []
    allowed: dict[About, Decision] = {}
    for about, decision in listed.items():
        of = shown.access_to(about)
        closed = [name for name in search.fields if of[name].access is not Access.CLEAR]
        hidden += [(about, name, of[name]) for name in closed]
        if not closed:
            allowed[about] = decision
    if allowed:
        return allowed
    # What a fresher second factor alone would open is the one to tell about.
    about, name, access = min(hidden, key=lambda one: not _is_step_up(one[2]))
    reading = replace(
        operation,
        action="record.read",
        field=name,
        resource=f"{operation.resource}/{name}",
        about=lambda _connection: about,
    )
    service.spine.decide(caller, reading)
    # Allowed by now: the policy was changed in this moment.
    raise Refused(access.reason)


def _is_step_up(access: FieldAccess) -> bool:
    return access.refused is not None and access.refused.step_up is not None


def _found(
    service: Service,
    caller: Caller,
    operation: Operation,
    collection: Collection,
    search: Search,
    shown: Shown,
    allowed: Mapping[About, Decision],
    after: str,
    limit: int,
) -> SearchPage:
    asker = asker_of(caller.principal)
    sorts = facts.sorts_of(collection, asker)
    seen = [sort for sort in sorts if sort.about in allowed]
    among = facts.any_of(seen) if len(seen) < len(sorts) else None

    def act(connection: Connection) -> Outcome[SearchPage]:
        keys = IndexKeys.of(connection, service.keyring, collection)
        key = cursor_key(keys.root, collection.name, caller.principal.subject)
        found = find_records(
            connection,
            service.keyring,
            collection,
            search,
            limit,
            place_at(after, search, key) if after else None,
            keys=keys,
            among=among,
            # The columns that were asked by are not under the tag; what is there decides.
            admits=lambda one: facts.sort_of(about_of(one, collection), asker) in allowed,
        )
        ended = found.ended
        following = cursor_of(ended, search, key, service.random) if ended else ""
        return _outcome(connection, found.records, following)

    def _outcome(
        connection: Connection, records: tuple[rows.Record, ...], following: str
    ) -> Outcome[SearchPage]:
        approved = approved_in(connection, collection, records)
        views = tuple(shown.view(one, approved) for one in records)
        names = sorted({name for view in views for name in (*view.fields, *view.masked)})
        detail = {"searched": ",".join(search.fields)} if search.fields else {}
        page = SearchPage(views, following)
        return Outcome(page, fields=tuple(names), count=len(views), detail=detail)

    return service.spine.read(caller, operation, act, next(iter(allowed.values())))
