"""What may be written into the fields of a record: all of what was sent, or nothing of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from secvault.crypto.canonical import JsonValue
from secvault.errors import FieldError, InvalidInput, Refused, StepUpRequired
from secvault.records import record as rows
from secvault.records.collection import Collection
from secvault.service.record_views import Shown
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation


def require_writable(
    service: Service, caller: Caller, operation: Operation, fields: Iterable[str]
) -> None:
    """Return when each of the fields may be written. Every no is put on record.

    Raises Refused, which names all fields that may not; StepUpRequired when a second factor that is
    shown again would open all of them.
    """
    refused: dict[str, Refused] = {}
    for field in fields:
        of_field = replace(operation, field=field, resource=f"{operation.resource}/{field}")
        try:
            service.spine.decide(caller, of_field)
        except Refused as error:
            refused[field] = error
    if refused:
        # What no factor would mend is what there is to say.
        said = min(refused.values(), key=lambda one: isinstance(one, StepUpRequired))
        said.fields = tuple(FieldError(name, one.detail) for name, one in refused.items())
        said.detail = f"not written: {', '.join(refused)}. {said.detail}"
        raise said


def require_no_masks(
    service: Service,
    caller: Caller,
    collection: Collection,
    record: rows.Record,
    changes: Mapping[str, JsonValue],
) -> None:
    """Return unless a value would be replaced by what its mask shows the caller of it.

    Whoever reads a record, changes one field and sends all of it back would destroy the rest. Most
    masks are told by their bullets already, initials are not.
    """
    shown = Shown(service, caller, collection).view(record).masked
    same = [name for name, value in changes.items() if name in shown and value == shown[name]]
    if same:
        detail = "is what you are shown in place of the value; leave the field out to keep it"
        raise InvalidInput(
            "; ".join(f"{name}: {detail}" for name in same),
            fields=tuple(FieldError(name, detail) for name in same),
        )
