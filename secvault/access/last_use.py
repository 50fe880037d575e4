"""Which rule was last used by whom, and where: to the day, from the audit log.

A cursor that lies in the store moves over the log, in the transaction that notes what it met, so
that no kill loses a use. It begins at the beginning: a use is a use, whenever it happened. Kept are
ids only, of subjects, rules and departments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, select, text, update

from secvault.access.explain import roles_of
from secvault.access.grants import Grant
from secvault.access.policy import Policy
from secvault.access.rows import Rule
from secvault.access.rules import Rules
from secvault.access.snapshot import Snapshot
from secvault.access.vocabulary import ALL, field_matches
from secvault.clock import Clock
from secvault.errors import Damaged
from secvault.store import Store
from secvault.store.engine import row_held
from secvault.store.tables import audit_event, rule_use, use_cursor

DAY_MICROS = 86_400 * 1_000_000
AT_ONCE = 2_000
"""How many events are looked at in one transaction."""

_NAME = "rules"
_BEFORE_ALL = -1
_CURSOR = select(use_cursor.c.seq).where(use_cursor.c.name == _NAME)
_NOTE = text(
    "INSERT INTO rule_use (subject, rule, department, day) "
    "VALUES (:subject, :rule, :department, :day) "
    "ON CONFLICT (subject, rule, department) "
    "DO UPDATE SET day = excluded.day WHERE excluded.day > rule_use.day"
)
# What is shown or written of a record is decided for each of its fields.
_OF_FIELDS: Mapping[str, frozenset[str]] = {
    "record.list": frozenset({"record.read", "record.read_masked"}),
    "record.read": frozenset({"record.read"}),
    "record.read_masked": frozenset({"record.read_masked"}),
    "record.reveal": frozenset({"record.reveal"}),
    "record.create": frozenset({"record.create"}),
    "record.update": frozenset({"record.update"}),
    "record.import": frozenset({"record.create", "record.update"}),
}


class _Object(msgspec.Struct):
    f: tuple[str, ...] = ()


class _Decision(msgspec.Struct):
    r: str = ""


class _Leaf(msgspec.Struct):
    """Of a leaf (`audit.leaf`), only what tells which rule was used; the rest is skipped."""

    x: _Object
    p: _Decision | None = None


_DECODER = msgspec.json.Decoder(_Leaf)
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Uses:
    """The newest day of use: by subject, then by rule and department. Days since the epoch, UTC.

    since: microseconds; what happened before was not seen. None while nothing was looked at.
    """

    days: Mapping[str, Mapping[tuple[str, str], int]]
    since: int | None

    def of_grant(self, given: Iterable[Rule], grant: Grant) -> int | None:
        """The newest day on which a rule of these allowed the grant's holder something there.

        given: see `rules_given`. Where two grants give the same rule, both count as used. None for
        never.
        """
        ids = {rule.id for rule in given}
        return max(
            (
                day
                for (rule, where), day in self.days.get(grant.subject, {}).items()
                if rule in ids and grant.department in (ALL, where)
            ),
            default=None,
        )


def rules_given(snapshot: Snapshot, rules: Rules, role: str, department: str) -> tuple[Rule, ...]:
    """The rules that allow something to who holds the role there: its own and inherited ones."""
    reached = roles_reached(snapshot, role, department)
    return tuple(
        rule
        for rule in rules.rules
        if rule.eft == "allow"
        and rule.sub in reached
        and (rule.dom == ALL or department in (ALL, rule.dom))
    )


def roles_reached(snapshot: Snapshot, role: str, department: str) -> frozenset[str]:
    """The role and those that it inherits there."""
    return frozenset(roles_of(snapshot.basis, role, department)) | {role}


def follow(
    store: Store, clock: Clock, policy: Policy, over: Callable[[], bool] = lambda: False
) -> int:
    """Note the uses in the events since the last look; how many events were looked at.

    Goes on until the end of the log is reached, or `over` says so. Raises Unavailable, Damaged.
    """
    looked = 0
    while not over():
        with store.read() as connection:
            seen = connection.execute(_CURSOR).scalar_one_or_none()
            rows = connection.execute(
                select(
                    audit_event.c.seq,
                    audit_event.c.t.label("at"),
                    audit_event.c.kind,
                    audit_event.c.outcome,
                    audit_event.c.actor,
                    audit_event.c.resource,
                    audit_event.c.department,
                    audit_event.c.body,
                )
                .where(audit_event.c.seq > (_BEFORE_ALL if seen is None else seen))
                .order_by(audit_event.c.seq)
                .limit(AT_ONCE)
            ).all()
        if not rows:
            break
        found = _uses(policy, policy.snapshot(clock.micros()), rows)
        with store.write() as connection:
            fresh = {"name": _NAME, "seq": _BEFORE_ALL, "since": rows[0].at}
            held = row_held(connection, use_cursor, fresh)
            if held.seq != (_BEFORE_ALL if seen is None else seen):
                # Another node was faster; the next look begins where it is.
                break
            if found:
                connection.execute(
                    _NOTE,
                    # In one order everywhere, so that no two wait for each other in a circle.
                    [
                        {"subject": key[0], "rule": key[1], "department": key[2], "day": day}
                        for key, day in sorted(found.items())
                    ],
                )
            connection.execute(
                update(use_cursor).where(use_cursor.c.name == _NAME).values(seq=rows[-1].seq)
            )
        looked += len(rows)
        if len(rows) < AT_ONCE:
            break
    return looked


def read_uses(connection: Connection) -> Uses:
    """What is known so far."""
    since = connection.execute(select(use_cursor.c.since).where(use_cursor.c.name == _NAME))
    days: dict[str, dict[tuple[str, str], int]] = {}
    for row in connection.execute(select(rule_use)):
        days.setdefault(row.subject, {})[(row.rule, row.department)] = row.day
    return Uses(days, since.scalar_one_or_none())


def _uses(policy: Policy, snapshot: Snapshot, rows: Iterable[Any]) -> dict[Key, int]:
    found: dict[Key, int] = {}
    reached: dict[tuple[str, str], Mapping[str, object]] = {}
    for row in rows:
        if row.outcome != "ok" or not row.actor.startswith(("user:", "svc:")):
            continue
        try:
            leaf = _DECODER.decode(row.body)
        except msgspec.MsgspecError:
            raise Damaged(f"The stored event {row.seq} is no leaf; verify the log.") from None
        if leaf.p is None or not leaf.p.r:
            continue
        used = {leaf.p.r}
        actions = _OF_FIELDS.get(row.kind)
        if actions and leaf.x.f:
            place = (row.actor, row.department)
            if place not in reached:
                reached[place] = roles_of(snapshot.basis, *place)
            used |= _of_fields(policy.rules, reached[place], actions, row.resource, leaf.x.f)
        day = row.at // DAY_MICROS
        for rule in used:
            key = (row.actor, rule, row.department)
            found[key] = max(day, found.get(key, 0))
    return found


def _of_fields(
    rules: Rules,
    roles: Mapping[str, object],
    actions: frozenset[str],
    resource: str,
    fields: Iterable[str],
) -> set[str]:
    """The rules of these roles that opened the fields, though the event names the record's only."""
    department, _, rest = resource.partition("/")
    collection = rest.partition("/")[0]
    return {
        rule.id
        for rule in rules.rules
        if rule.eft == "allow"
        and rule.act in actions
        and rule.sub in roles
        and rule.dom in (ALL, department)
        and rule.obj in (ALL, collection)
        and any(
            field_matches(rules.fields, collection, field, rule.fld, rule.eft) for field in fields
        )
    }
