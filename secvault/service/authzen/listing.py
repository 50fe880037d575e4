"""The things of a type on which somebody may do something, in order, and only as many as are asked
for: records are found by conditions of the query, never by looking at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from sqlalchemy import select, tuple_

from secvault.access import NO_FIELD, AccessContext
from secvault.access.authzen import RECORD
from secvault.access.vocabulary import COLLECTION, KEY, PLAN
from secvault.keyring.keyring import TRANSIT
from secvault.records import facts
from secvault.records import record as rows
from secvault.records.collection import Collection
from secvault.service.authzen.asked import Evaluation, Thing, Unknown, text_of
from secvault.service.authzen.inquiry import Inquiry
from secvault.service.authzen.subjects import Somebody
from secvault.service.authzen.things import Target
from secvault.store.tables import mount, named_key

_AT_ONCE = 500


def things(
    inquiry: Inquiry,
    somebody: Somebody,
    asked: Evaluation,
    context: AccessContext,
    after: str,
    most: int,
) -> Iterator[str]:
    """The ids after `after`, as callers name them, `most` at most. Raises Unknown, InvalidInput."""
    resource, action = asked.resource, asked.action
    foreign = inquiry.service.names.resources.get(resource.type)
    if foreign is not None:
        ours = inquiry.things.action_of(foreign, action)
        if foreign.facts is not None:
            # What is the caller's own is not kept here, so none of it can be listed.
            return
        if foreign.object:
            yield from _named(inquiry, somebody, asked, context, ("*",), after)
            return
        collection = inquiry.things.collection(foreign.collection)
        yield from _records(inquiry, somebody, collection, (ours, NO_FIELD), context, after, most)
        return
    ours = inquiry.things.own_action(resource.type, action)
    if resource.type == RECORD:
        yield from _own_records(inquiry, somebody, asked, ours, context, after, most)
    elif resource.type == KEY:
        yield from islice(_keys(inquiry, somebody, asked, context, after), most)
    else:
        known = {
            COLLECTION: sorted(inquiry.service.collections),
            PLAN: sorted(inquiry.service.backups.plans()),
        }.get(resource.type, ["*"])
        yield from _named(inquiry, somebody, asked, context, known, after)


def _named(
    inquiry: Inquiry,
    somebody: Somebody,
    asked: Evaluation,
    context: AccessContext,
    known: Iterator[str] | list[str] | tuple[str, ...],
    after: str,
) -> Iterator[str]:
    for name in known:
        if name <= after:
            continue
        resource = Thing(asked.resource.type, name, asked.resource.properties)
        try:
            target = inquiry.things.find(resource, asked.action)
        except Unknown:
            continue
        if inquiry.allows(somebody, target, context):
            yield name


def _own_records(
    inquiry: Inquiry,
    somebody: Somebody,
    asked: Evaluation,
    action: str,
    context: AccessContext,
    after: str,
    most: int,
) -> Iterator[str]:
    """Records of every collection, or of the one that the property `collection` names."""
    properties = asked.resource.properties
    named = properties.get("collection")
    only = None if named is None else text_of(named, "resource.properties.collection")
    field = properties.get("field")
    wanted = NO_FIELD if field is None else text_of(field, "resource.properties.field")
    before, _, last = after.partition("/")
    for name, collection in sorted(inquiry.service.collections.items()):
        if name < before or only not in (None, name):
            continue
        if wanted != NO_FIELD and wanted not in collection.fields:
            continue
        begin = last if name == before else ""
        found = _records(inquiry, somebody, collection, (action, wanted), context, begin, most)
        for record_id in found:
            yield f"{name}/{record_id}"


def _records(
    inquiry: Inquiry,
    somebody: Somebody,
    collection: Collection,
    wanted: tuple[str, str],
    context: AccessContext,
    after: str,
    most: int,
) -> Iterator[str]:
    """wanted: the action and the field. Those of the collection that it is allowed on."""
    action, field = wanted
    if action == "record.create":
        return
    asker = somebody.asker
    sorts = facts.sorts_of(collection, asker)
    plain = Target(action, collection.department, collection.name, field)
    seen = [
        sort
        for sort in sorts
        if inquiry.allows(somebody, replace(plain, about=sort.about), context)
    ]
    if not seen:
        return
    allowed = {sort.about for sort in seen}
    among = facts.any_of(seen) if len(seen) < len(sorts) else None
    given = 0
    while given < most:
        size = min(most - given, _AT_ONCE)
        ids = rows.record_ids(inquiry.connection, collection, after, size, among)
        if among is None:
            kept = ids
        else:
            # The columns that were asked by are not under the tag; what is there decides.
            records = rows.read_records(
                inquiry.connection, inquiry.service.keyring, collection, ids
            )
            kept = tuple(
                one.id
                for one in records
                if facts.sort_of(facts.about(collection, one.id, one.plain), asker) in allowed
            )
        yield from kept
        given += len(kept)
        if len(ids) < size:
            return
        after = ids[-1]


def _keys(
    inquiry: Inquiry, somebody: Somebody, asked: Evaluation, context: AccessContext, after: str
) -> Iterator[str]:
    last, _, name = after.rpartition("/")
    while True:
        table = named_key.c
        found = inquiry.connection.execute(
            select(table.mount, table.name)
            .join_from(named_key, mount, mount.c.path == table.mount)
            .where(mount.c.kind == TRANSIT, tuple_(table.mount, table.name) > tuple_(last, name))
            .order_by(table.mount, table.name)
            .limit(_AT_ONCE)
        ).all()
        paths = [f"{row.mount}/{row.name}" for row in found]
        yield from _named(inquiry, somebody, asked, context, paths, "")
        if len(found) < _AT_ONCE:
            return
        last, name = found[-1].mount, found[-1].name
