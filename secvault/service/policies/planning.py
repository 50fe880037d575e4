"""What a publication would do: shown before it is made, and what an approval of it is bound to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Connection

from secvault.access.advice import Finding, advise, advise_on_grants
from secvault.access.bundle import Bundle
from secvault.access.difference import (
    Change,
    Difference,
    difference,
    gains,
    losses,
    sights,
)
from secvault.access.grants import Grant, read_live
from secvault.access.in_force import InForce
from secvault.access.publication import Version, latest_version, read_bundle
from secvault.access.rules import Rules, assemble
from secvault.crypto.canonical import JsonValue, canonical_json
from secvault.errors import ConfigurationError, InvalidInput, NotFound
from secvault.service.approval import Terms
from secvault.service.approvals.subjects import name_of
from secvault.service.policies.apart import (
    NewConflict,
    blocked_by_separation,
    new_conflicts,
)
from secvault.service.policies.changes import Changes, changes_between
from secvault.service.policies.checks import failures
from secvault.service.policies.in_use import (
    blocked_by_grants,
    blocked_by_nobody_left,
    blocked_by_records,
)
from secvault.service.policies.published import parse_bundle
from secvault.service.policies.quorum import unmet_quorums
from secvault.service.policies.schemas import blocked_by_schemas, kept_otherwise
from secvault.service.provided_roles import check_groups
from secvault.service.service import Service

SHOWN_LINES = 200
"""How many lines of each kind those who approve are shown; the digests are over all of them."""


@dataclass(frozen=True)
class Plan:
    """A publication as it would be now.

    before: what is in force. after: its bundle, parsed as policy. blockers: why it would be
    refused; empty when it would not be. findings: advice. separation: who would come to break a
    rule of separation. names: how people know the subjects of `difference` and `separation`.
    """

    before: Version
    bundle: Bundle
    policy: InForce
    changes: Changes
    difference: Difference
    blockers: tuple[str, ...]
    findings: tuple[Finding, ...]
    separation: tuple[NewConflict, ...]
    names: Mapping[str, str]

    @property
    def changed(self) -> bool:
        """Whether anything would be another than it is."""
        return self.bundle.digest != self.before.digest

    @cached_property
    def gains(self) -> Mapping[str, tuple[Change, ...]]:
        """Who would may more, and what."""
        return gains(self.difference)

    @cached_property
    def losses(self) -> Mapping[str, tuple[Change, ...]]:
        """Who would may less, and what."""
        return losses(self.difference)

    @cached_property
    def effect(self) -> str:
        """SHA-256 in hexadecimal over each line of gains, losses, separation, in their order."""
        lines = [*lines_of("+", self.gains), *lines_of("-", self.losses), *self._broken]
        return hashlib.sha256(canonical_json(list(lines))).hexdigest()

    @property
    def digest(self) -> str:
        """SHA-256 in hexadecimal over what is in force, what would be, and the effect."""
        every: list[JsonValue] = [self.before.digest, self.bundle.digest, self.effect]
        return hashlib.sha256(canonical_json(every)).hexdigest()

    def terms(self, note: str) -> Terms:
        """What an approval is bound to: both digests, the effect, and of it what can be shown."""
        return {
            "before": self.before.digest,
            "number": self.before.number + 1,
            "after": self.bundle.digest,
            "note": note,
            "files": dict(self.changes.files),
            "rows": _some(self.changes.rows),
            "obligations": _some(self.changes.obligations),
            "collections": _some(self.changes.collections),
            "gains": _some(lines_of("+", self.gains)),
            "losses": _some(lines_of("-", self.losses)),
            "separation": _some(self._broken),
            "effect": self.effect,
        }

    @property
    def _broken(self) -> list[str]:
        """One line for each new conflict. Without its words, in which there are moments."""
        return [f"! {one.subject or 'too many'}: {one.rule}, {one.mode}" for one in self.separation]


def make_plan(service: Service, connection: Connection, bundle: Bundle) -> Plan:
    """Look at what publishing `bundle` would do, as the connection sees the store.

    Raises InvalidInput with the faults of all its files.
    """
    policy = parsed_input(bundle)
    before = latest_version(connection)
    if before is None:
        raise NotFound("no policy is published yet")
    in_force = service.policy.in_force(connection)
    old = _nothing(in_force) if in_force.rescue else in_force
    at = service.clock.micros()
    grants = read_live(connection).grants
    counting = [one for one in grants if one.expires_at is None or one.expires_at > at]
    found = difference(old.rules, policy.rules, counting)
    apart = new_conflicts(service, connection, in_force, policy, counting)
    subjects = {*found, *(one.subject for one in apart if one.subject)}
    names = {subject: name_of(connection, subject) for subject in subjects}
    return Plan(
        before=before,
        bundle=bundle,
        policy=policy,
        changes=changes_between(read_bundle(connection, before.number), old, bundle, policy),
        difference=found,
        blockers=(
            *_blockers(service, connection, in_force, policy, grants, at),
            *blocked_by_separation(apart, names),
            *failures(bundle),
        ),
        findings=(
            *advise(policy.rules, policy.obligations),
            *advise_on_grants(policy.rules, policy.obligations, grants, at),
            *unmet_quorums(service.approvers, connection, policy),
            *kept_otherwise(connection, in_force.collections, policy.collections),
        ),
        separation=apart,
        names=names,
    )


def parsed_input(bundle: Bundle) -> InForce:
    """The policy of a bundle that somebody hands in. Raises InvalidInput with all its faults."""
    try:
        return parse_bundle(bundle)
    except ConfigurationError as error:
        raise InvalidInput(error.detail, fields=error.fields) from None


def lines_of(sign: str, changes: Difference) -> Iterator[str]:
    """One line for each change, with the subject's id."""
    for who, every in sorted(changes.items()):
        for change in every:
            yield f"{sign} {who}: {said(change)}"


def said(change: Change) -> str:
    """A change in words, without who it is about."""
    fields = f" ({', '.join(change.fields)})" if change.fields else ""
    return (
        f"{change.action} on {change.object}{fields} in {', '.join(change.departments)}: "
        f"{change.before}, then {change.after}"
    )


def _blockers(
    service: Service,
    connection: Connection,
    in_force: InForce,
    policy: InForce,
    grants: tuple[Grant, ...],
    at: int,
) -> Iterator[str]:
    yield from blocked_by_records(connection, in_force.collections, policy.collections)
    known = {} if in_force.rescue else in_force.collections
    yield from blocked_by_schemas(connection, known, policy.collections)
    yield from blocked_by_grants(policy, grants, at)
    # What stands in for a policy that cannot be read says nothing of who could do what.
    before, after = sights(in_force.rules, policy.rules)
    valid = [grant for grant in grants if grant.valid(at)]
    yield from blocked_by_nobody_left(service.approvers, connection, before, after, valid)
    try:
        check_groups(service.settings, policy.rules, policy.obligations)
    except ConfigurationError as error:
        yield f"the settings would not fit any more: {error.detail}"


def _nothing(in_force: InForce) -> InForce:
    """In place of a policy that cannot be read: everything is new against it."""
    rules: Rules = in_force.rules
    none = assemble(rules.model, (), (), rules.fields, rules.collections)
    return InForce(in_force.number, in_force.digest, none, collections=in_force.collections)


def _some(lines: Iterable[str]) -> list[JsonValue]:
    every: list[JsonValue] = list(lines)
    if len(every) <= SHOWN_LINES:
        return every
    return [*every[:SHOWN_LINES], f"and {len(every) - SHOWN_LINES} more: secvault policy plan"]
