"""What a new policy must not take away: collections and fields that hold values, roles that people
have, and the last who could mend it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import Connection, select

from secvault.access.difference import Sight, places_of
from secvault.access.grants import Grant, check_grantable
from secvault.access.in_force import InForce
from secvault.access.vocabulary import NO_FIELD
from secvault.crypto.canonical import parse_canonical
from secvault.errors import InvalidInput
from secvault.records.collection import Collection, Field
from secvault.service.approvals.approvers import HOME, Approvers
from secvault.store.tables import mount, record, record_field

KEEPING = (("approval.give", "approvals"), ("policy.apply", "policy"), ("grant.add", "grants"))
"""What somebody must be able to do after every change, in `it`, if somebody can before it."""


def blocked_by_records(
    connection: Connection, old: Mapping[str, Collection], new: Mapping[str, Collection]
) -> Iterator[str]:
    """Collections and fields with values that would vanish or change their type, and collections
    that cannot have their name.
    """
    for name, collection in old.items():
        kept = new.get(name)
        if kept is None:
            if has_records(connection, name):
                yield f"collection {name} has records; it cannot be removed before they are"
            continue
        for field in collection.fields.values():
            if not _fits(field, kept.fields.get(field.name)) and _has_values(
                connection, name, field.name
            ):
                yield _kept_as_it_is(collection, field, kept.fields.get(field.name))
    paths = {path.partition("/")[0] for path in connection.execute(select(mount.c.path)).scalars()}
    for name in sorted(new.keys() - old.keys()):
        if name in paths:
            yield f"collection {name} has the name of a mount of keys; give it another"


def blocked_by_grants(new: InForce, grants: Iterable[Grant], at: int) -> Iterator[str]:
    """Grants in force, or to come, that could not be any more: they would shut their holder out.

    grants: all that are not revoked.
    """
    for grant in grants:
        if grant.expires_at is not None and grant.expires_at <= at:
            continue
        try:
            check_grantable(new.rules, grant.subject, grant.role, grant.department)
        except InvalidInput as error:
            yield f"grant {grant.id} of {grant.subject}: {error.detail}; revoke it first"


def blocked_by_nobody_left(
    approvers: Approvers, connection: Connection, before: Sight, after: Sight, grants: list[Grant]
) -> Iterator[str]:
    """What nobody could do any more that somebody can now. grants: those in force."""
    held: dict[str, list[Grant]] = {}
    for grant in grants:
        if grant.subject.startswith("user:"):
            held.setdefault(grant.subject, []).append(grant)
    people = approvers.active(connection, held)

    def able(sight: Sight, action: str, kind: str) -> bool:
        cell = (action, kind, NO_FIELD)
        return any(
            sight.may(sight.held(places_of(sight.rules, held[one]), HOME), HOME, cell).allow
            for one in people
        )

    for action, kind in KEEPING:
        if able(before, action, kind) and not able(after, action, kind):
            yield f"nobody could do {action} in {HOME} any more, so nobody could mend it"
    operator = after.held(after.places_of_local("local:operator"), HOME)
    if not people and not after.may(operator, HOME, ("policy.apply", "policy", NO_FIELD)).allow:
        yield "nobody could do policy.apply any more, the operator at the machine neither"


def _fits(old: Field, new: Field | None) -> bool:
    return new is not None and new.type == old.type


def _kept_as_it_is(collection: Collection, old: Field, new: Field | None) -> str:
    at = f"field {collection.name}.{old.name} has values"
    if new is None:
        return f"{at}; it cannot be removed: write retired = true on it, and they stay readable"
    return (
        f"{at}; it cannot change its type from {old.type} to {new.type}: add a field of that type "
        "beside it, and write retired = true on this one"
    )


def has_records(connection: Connection, collection: str) -> bool:
    """Whether a collection has any."""
    query = select(record.c.id).where(record.c.collection == collection).limit(1)
    return connection.execute(query).first() is not None


def _has_values(connection: Connection, collection: str, field: str) -> bool:
    sealed = select(record_field.c.record).where(
        record_field.c.collection == collection, record_field.c.field == field
    )
    if connection.execute(sealed.limit(1)).first() is not None:
        return True
    # Also what is sensitive now may have been stored in clear when it was not.
    plain_of = select(record.c.plain).where(record.c.collection == collection)
    rows = connection.execute(plain_of.execution_options(yield_per=1000))
    needle = f'"{field}":'.encode()
    for (plain,) in rows:
        if needle in plain:
            values = parse_canonical(plain, f"a record of {collection}")
            if isinstance(values, dict) and field in values:
                rows.close()
                return True
    return False
