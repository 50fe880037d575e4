"""Exports of records as somebody may see them: in clear, masked, or not at all."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping

from secvault.access import Access
from secvault.crypto.aead import KEY_BYTES, bind
from secvault.crypto.canonical import JsonValue
from secvault.crypto.derivation import derive
from secvault.records.blind_index import IndexKeys
from secvault.records.collection import Collection
from secvault.records.exports.layout import Layout, Seen, layout_of
from secvault.records.search_terms import Search, parse_search
from secvault.service.record_exports.asked import Wanted, reason_of
from secvault.service.record_exports.beginning import begin, new_id
from secvault.service.record_exports.reach import (
    Reach,
    Tell,
    collection_of,
    nobody,
    operation_on,
    reach,
    shown_fields,
    views,
)
from secvault.service.record_exports.underway import Begun, Underway
from secvault.service.record_views import RecordView
from secvault.service.service import Service
from secvault.service.spine import Caller
from secvault.tabular.writer import Writer, open_writer

ACTIONS = ("record.list", "record.export")


def export_records(
    service: Service, caller: Caller, wanted: Wanted, tell: Tell = nobody
) -> Underway:
    """Begin to export the records that the caller may see, each as far as they may see it.

    tell: told of the progress while parts are taken. Raises NotFound, Refused, ApprovalRequired;
    InvalidInput for a search that cannot be, a reason that is missing; Conflict while an index is
    not complete; ConfigurationError for a format whose library is not there.
    """
    collection = collection_of(service, wanted.collection)
    # Whoever may take nothing away is not told what would be wrong with their search.
    reach(service, caller, collection, ACTIONS)
    search = parse_search(collection, wanted.where)
    within = reach(service, caller, collection, ACTIONS, search)
    clear, masked = shown_fields(service, caller, collection, within)
    settings = service.settings.exports
    enough = max(settings.reason_over, settings.approval_over)
    count = _count(service, caller, collection, search, within, enough)
    reason = reason_of(wanted.reason, count, settings.reason_over)
    layout = layout_of(collection, clear, masked, wanted.language)
    begun = Begun(
        id=new_id(),
        collection=collection,
        format=wanted.format,
        operation=operation_on(ACTIONS[-1], collection),
        decision=within.decision,
        at=service.clock.micros(),
        most=0,
        reason=reason,
        filters=search.fields,
        columns=tuple(column.name for column in layout.columns),
        fields={name: _how(name, layout) for name in collection.fields},
        asked=_asked(service, collection, search),
    )
    writer = open_writer(wanted.format, layout.columns, wanted.style(collection))
    begun = begin(service, caller, begun, within, count)
    found = views(service, caller, collection, ACTIONS, search, tell)
    return Underway(service, caller, begun, _parts(found, layout, writer))


def _asked(service: Service, collection: Collection, search: Search) -> Mapping[str, JsonValue]:
    """What tells this search from others in an approval, which must not tell its values."""
    if not search.conditions:
        return {}
    with service.store.read() as connection:
        root = IndexKeys.of(connection, service.keyring, collection).root
    key = derive(root, bind("secvault/export-search", collection.name), KEY_BYTES)
    return {"search": hmac.digest(key.expose(), search.digest(), "sha256").hex()}


def _count(
    service: Service,
    caller: Caller,
    collection: Collection,
    search: Search,
    within: Reach,
    enough: int,
) -> int:
    """How many records will leave; where there are filters, no more than all, once it is plain that
    there are more than enough.
    """
    with service.store.read() as connection:
        everything = within.count(connection, collection)
    if not search.conditions or everything <= 0:
        return everything
    fitting = 0
    for batch in views(service, caller, collection, ACTIONS, search):
        fitting += len(batch)
        if fitting > enough:
            return everything
    return fitting


def _parts(
    found: Iterator[list[RecordView]], layout: Layout, writer: Writer
) -> Iterator[tuple[bytes, int]]:
    for batch in found:
        yield writer.add([layout.row(_seen(view)) for view in batch]), len(batch)
    for part in writer.end():
        yield part, 0


def _seen(view: RecordView) -> Seen:
    given = view.approved
    return Seen(
        view.id,
        view.version,
        view.fields,
        view.masked,
        view.created_at,
        view.updated_at,
        given.approved_by if given else None,
        given.approved_at if given else None,
    )


def _how(name: str, layout: Layout) -> str:
    """What the manifest says of a field: clear, masked, both (by record), or absent."""
    said = [
        str(access)
        for access, names in ((Access.CLEAR, layout.clear), (Access.MASKED, layout.masked))
        if name in names
    ]
    return " or ".join(said) or "absent"
