"""What somebody asks to have erased, or held: a person, a data subject, a record, a collection."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, select

from secvault.audit.facts import IDENTIFIER
from secvault.crypto.canonical import canonical_json
from secvault.errors import InvalidInput, NotFound
from secvault.identity import names
from secvault.records.collection import Collection
from secvault.records.erasure import record_of, records_of_person, records_of_subject
from secvault.records.hold import Held
from secvault.records.record import check_id
from secvault.service.service import Service
from secvault.store.tables import person

LONGEST_REASON = 500
_LONGEST_SUBJECT = 200


class Kind(StrEnum):
    """A person over all collections and in the log, one data subject or one record of a collection,
    or what the audit log keeps of one who acts.
    """

    PERSON = "person"
    SUBJECT = "subject"
    RECORD = "record"
    LOG = "log"


@dataclass(frozen=True)
class Target:
    """What is meant. collection: empty for a person. name: a person's number or a data subject in
    the form that is compared, or a record's id; of the log, the subject as it names them.
    """

    kind: Kind
    collection: str
    name: str

    def __str__(self) -> str:
        return f"{self.collection}/{self.name}" if self.collection else self.name


def target_of(service: Service, kind: Kind, collection: str, name: str) -> Target:
    """The target that these words name. Raises InvalidInput, NotFound (the collection)."""
    if kind is Kind.PERSON:
        if collection:
            raise InvalidInput.at("collection", "a person is erased in all collections")
        return Target(kind, "", person_number(name))
    if kind is Kind.LOG:
        if collection:
            raise InvalidInput.at("collection", "the log is of all collections")
        return Target(kind, "", _actor(name))
    collection_of(service, collection)
    if kind is Kind.RECORD:
        return Target(kind, collection, check_id(name))
    said = names.compared(name)
    if not said or len(said) > _LONGEST_SUBJECT or not said.isprintable():
        raise InvalidInput.at("subject", f"name the data subject, 1 to {_LONGEST_SUBJECT} letters")
    return Target(kind, collection, said)


def _actor(text: str) -> str:
    kind, _, identity = text.partition(":")
    if kind not in ("user", "local") or not IDENTIFIER.fullmatch(identity):
        raise InvalidInput.at("subject", "name who acted as the log does, such as user:0192...")
    return text


def person_number(text: str) -> str:
    """An employee's number in the form that is compared. Raises InvalidInput."""
    number = names.employee_number(text)
    if not number:
        raise InvalidInput.at("person", "give the number of the employee, such as nv-0042")
    return number


def reason_of(text: str) -> str:
    """A reason as it is kept. Raises InvalidInput at `reason`."""
    return names.display_name(text, "reason", LONGEST_REASON)


def collection_of(service: Service, name: str) -> Collection:
    """The collection of this name. Raises NotFound."""
    found = service.collections.get(name)
    if found is None:
        raise NotFound(f"there is no collection {name[:64]}")
    return found


def records_of(service: Service, connection: Connection, target: Target) -> tuple[Held, ...]:
    """The records that are meant, in order. Raises NotFound, Erased for a record."""
    if target.kind is Kind.LOG:
        return ()
    if target.kind is Kind.PERSON:
        return records_of_person(connection, service.collections.values(), target.name)
    collection = collection_of(service, target.collection)
    if target.kind is Kind.RECORD:
        return (record_of(connection, collection, target.name),)
    return records_of_subject(connection, collection, target.name)


def account_of(connection: Connection, number: str) -> str:
    """The subject of the person who is the employee with this number; empty for nobody."""
    found = connection.execute(select(person.c.id).where(person.c.employee == number)).scalar()
    return f"user:{found}" if found else ""


def subject_in_log(connection: Connection, target: Target) -> str:
    """Who of the audit log is meant, too; empty for nobody."""
    if target.kind is Kind.LOG:
        return target.name
    return account_of(connection, target.name) if target.kind is Kind.PERSON else ""


def number_of(connection: Connection, target: Target) -> str:
    """The number of the employee that is meant, whatever they are named by; empty for nobody."""
    if target.kind is Kind.PERSON:
        return target.name
    if target.kind is not Kind.LOG:
        return ""
    account = target.name.partition(":")[2]
    question = select(person.c.employee).where(person.c.id == account)
    return connection.execute(question).scalar() or ""


def digest_of(records: Iterable[Held]) -> str:
    """SHA-256 in hexadecimal over the canonical JSON of which records these are, in order."""
    rows: Sequence[list[str]] = sorted([one.collection, one.id, one.subject] for one in records)
    return hashlib.sha256(canonical_json([[*row] for row in rows])).hexdigest()
