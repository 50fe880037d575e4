"""A vault with records of every collection, somebody of each role, and what the decision says.

What the decision says is asked for here anew, field by field, and by no way of reading.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from secvault.access import AccessRequest, add_grant
from secvault.access.vocabulary import (
    ALL,
    EMERGENCY_ROLE,
    GRANTED_EVERYWHERE,
    RESERVED_ROLES,
    department_of,
)
from secvault.crypto.canonical import JsonValue
from secvault.crypto.secret import Secret
from secvault.identity.people import find_person
from secvault.records import facts
from secvault.records import record as rows
from secvault.records.collection import Collection, Field
from secvault.records.content_type import USUAL_TYPES
from secvault.records.mask import masked
from secvault.records.value import FieldType
from secvault.sample import back_office
from secvault.service import Service, attachment_upload, authentication
from secvault.service.attachment_upload import Sent
from secvault.service.attachments import NONE_YET
from secvault.service.spine import Caller
from tests.running_service import PASSWORD, House, add_person, join

OF_EACH = 2
LONG = 6
"""A value of fewer characters may stand anywhere by chance."""
MORE = {
    "SECVAULT_REVEALS__PER_HOUR": "100000",
    "SECVAULT_EXPORTS__APPROVAL_OVER": "1000000",
    "SECVAULT_EXPORTS__LEAST_K": "2",
}
CONTENTS: Mapping[str, bytes] = {
    "application/pdf": b"%PDF-1.7\nseventeen pages\n%%EOF\n",
    "image/png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(32),
}
"""What lies in each attachment of a type."""

May = Callable[..., bool]


@dataclass(frozen=True)
class Masked:
    """What is shown in place of a value."""

    text: str


Shown = Mapping[str, Any]
"""Field to a value in clear, or to a Masked one."""


def is_mask(value: Any) -> bool:
    """Whether it is shown in place of a value."""
    return isinstance(value, Masked)


def furnished_with_records(service: Service, house: House) -> None:
    """Store two records of each collection, with a file in every field that takes one."""
    stored: dict[str, list[str]] = {}
    with service.store.write() as connection:
        for one in back_office():
            ids = stored.setdefault(one.collection, [])
            if len(ids) < OF_EACH:
                ids.append(one.id)
                collection = service.collections[one.collection]
                at = service.clock.micros()
                rows.create_record(
                    connection, service.keyring, collection, one.id, one.values, at, service.random
                )
    assert set(stored) == set(service.collections)
    homes = {collection.department for collection in service.collections.values()}
    filler = join(service, house, "filler", *((f"role:{home}.head", home) for home in homes))
    for name, ids in stored.items():
        for field in service.collections[name].fields.values():
            if field.type is FieldType.ATTACHMENT:
                for record in ids:
                    _attach(service, filler, name, record, field)


def _attach(service: Service, who: Caller, collection: str, record: str, field: Field) -> None:
    allowed = field.limits.types or USUAL_TYPES
    kind = next(one for one in CONTENTS if one in allowed)
    sent = Sent(f"scan-of-{record}", kind)
    with attachment_upload.uploading(
        lambda: attachment_upload.begin_upload(
            service, who, collection, record, field.name, sent, NONE_YET
        )
    ) as upload:
        upload.write(CONTENTS[kind])
        upload.finish()


def of_each_role(service: Service, house: House) -> dict[str, Caller]:
    """Somebody of each role that the policy gives, in the department of the role, signed in."""
    named = {rule.sub for rule in service.policy.rules.rules if rule.sub.startswith("role:")}
    made = {}
    for number, role in enumerate(sorted(named - RESERVED_ROLES - {EMERGENCY_ROLE})):
        name, home = f"person-{number}", department_of(role)
        seed = add_person(service, name, home)
        with service.store.write() as connection:
            add_grant(
                connection,
                service.policy.rules,
                subject=find_person(connection, name).subject,
                role=role,
                department=ALL if role in GRANTED_EVERYWHERE else home,
                granted_by="local:operator",
                at=service.clock.micros(),
            )
        code = Secret.of(house.hands.code(seed))
        opened = authentication.sign_in(service, name, Secret.of(PASSWORD), code)
        made[role] = Caller(opened.principal)
    return made


def record_of(service: Service, collection: Collection, record: str) -> rows.Record:
    """The record itself, by no right."""
    with service.store.read() as connection:
        return rows.read_record(connection, service.keyring, collection, record)


def aged(service: Service, caller: Caller, age: int | None) -> Caller:
    """The caller as of a session whose second factor was shown so long ago."""
    shown = None if age is None else service.clock.micros() - age * 1_000_000
    return replace(caller, principal=replace(caller.principal, second_factor_at=shown))


def may_of(service: Service, who: Caller, collection: Collection, record: rows.Record) -> May:
    """Asks whether the caller may do something to the record, or to a field of it."""
    about = facts.about(collection, record.id, record.plain)
    context = replace(service.spine.context(who), about=about)

    def may(action: str, field: str = "*") -> bool:
        # A report is of a person, not of a collection.
        of = "subjects" if action.startswith("subject.") else collection.name
        request = AccessRequest(
            who.principal.subject, collection.department, of, field, action, context
        )
        return service.policy.decide(request).allowed

    return may


def expected_of(collection: Collection, record: rows.Record, may: May) -> Shown:
    """What is to be shown of the record, by the decisions."""
    shown: dict[str, Any] = {}
    for name in record.field_names:
        mask = collection.fields[name].mask
        if may("record.read", name):
            shown[name] = record.value(name)
        elif mask is not None and may("record.read_masked", name):
            shown[name] = Masked(masked(mask, record.value(name)))
    return shown


def secrets_of(collection: Collection, record: rows.Record, shown: Shown) -> set[str]:
    """The texts of sensitive fields that are not shown, and stand in nothing that is."""
    open_text = json.dumps(list(shown.values()), default=str, ensure_ascii=False)
    return {
        text
        for name in record.field_names
        if collection.fields[name].sensitive and (name not in shown or is_mask(shown[name]))
        for text in texts_of(record.value(name))
        if text not in open_text
    }


def texts_of(value: JsonValue) -> Iterator[str]:
    """The texts in a value that cannot stand anywhere by chance."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts_of(inner)
    elif isinstance(value, str) and len(value) >= LONG:
        yield value
