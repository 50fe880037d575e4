"""The operations that search: who may, on what, and what may be done. A result is what `evaluate`
would say yes to; names that are not known here find nothing (AuthZEN 1.0, section 8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from sqlalchemy import Connection

from secvault.access.authzen import actions_of
from secvault.service.authzen import listing, page, subjects
from secvault.service.authzen.asked import Evaluation, Found, Page, Thing, Unknown
from secvault.service.authzen.inquiry import Inquiry, operation
from secvault.service.authzen.operations import named
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome

SEARCH = operation("access.search")
MOST_LOOKED_AT = 20_000
"""Subjects that one page of a search looks at; then it ends, full or not."""

Finds = Callable[[Inquiry, str, int], tuple[tuple[str, ...], str]]
"""From where to go on and how many to give: the results, and where the next page goes on."""


def search_subjects(service: Service, caller: Caller, asked: Evaluation, part: Page) -> Found:
    """Who of the subject's type may. Raises InvalidInput."""

    def finds(inquiry: Inquiry, after: str, limit: int) -> tuple[tuple[str, ...], str]:
        sort = service.names.subjects.get(asked.subject.type)
        if sort is None:
            return (), ""
        target = inquiry.things.find(asked.resource, asked.action)
        context = inquiry.context(asked)
        found: list[str] = []
        everybody = subjects.after(inquiry.connection, sort.kind, after)
        for looked_at, somebody in enumerate(everybody):
            if len(found) == limit or looked_at == MOST_LOOKED_AT:
                return tuple(found), after
            if inquiry.allows(somebody, target, context):
                known = subjects.shown_id(inquiry.connection, sort, somebody)
                if known is not None:
                    found.append(known)
            after = somebody.id
        return tuple(found), ""

    return _search(service, caller, asked, part, finds)


def search_resources(service: Service, caller: Caller, asked: Evaluation, part: Page) -> Found:
    """On what of the resource's type the subject may. Raises InvalidInput."""

    def finds(inquiry: Inquiry, after: str, limit: int) -> tuple[tuple[str, ...], str]:
        somebody = inquiry.somebody(asked.subject)
        context = inquiry.context(asked)
        if not somebody.active:
            return (), ""
        listed = listing.things(inquiry, somebody, asked, context, after, limit + 1)
        found = tuple(islice(listed, limit + 1))
        return found[:limit], found[limit - 1] if len(found) > limit else ""

    return _search(service, caller, asked, part, finds)


def search_actions(service: Service, caller: Caller, asked: Evaluation, part: Page) -> Found:
    """What the subject may do to the resource. Raises InvalidInput."""

    def finds(inquiry: Inquiry, after: str, limit: int) -> tuple[tuple[str, ...], str]:
        somebody = inquiry.somebody(asked.subject)
        context = inquiry.context(asked)

        def allowed() -> Iterator[str]:
            names = _actions_on(service, asked.resource)
            for name in names[names.index(after) + 1 if after in names else 0 :]:
                try:
                    target = inquiry.things.find(asked.resource, name)
                except Unknown:
                    continue
                if inquiry.allows(somebody, target, context):
                    yield name

        found = tuple(islice(allowed(), limit + 1))
        return found[:limit], found[limit - 1] if len(found) > limit else ""

    return _search(service, caller, asked, part, finds)


def _actions_on(service: Service, resource: Thing) -> tuple[str, ...]:
    foreign = service.names.resources.get(resource.type)
    return tuple(foreign.actions) if foreign is not None else actions_of(resource.type)


def _search(service: Service, caller: Caller, asked: Evaluation, part: Page, finds: Finds) -> Found:
    after, limit = page.begin(asked, part)

    def act(connection: Connection) -> Outcome[Found]:
        inquiry = Inquiry(service, caller, connection)
        results: tuple[str, ...] = ()
        following = ""
        try:
            if limit == 0:
                # Nothing is wanted, and nothing is said about whether there were more.
                following = page.token(asked, after, limit)
            else:
                results, going_on = finds(inquiry, after, limit)
                following = page.token(asked, going_on, limit) if going_on else ""
        except Unknown:
            results = ()
        return Outcome(Found(results, following), count=len(results), detail=named(inquiry, asked))

    return service.spine.read(caller, SEARCH, act)
