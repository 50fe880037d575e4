"""The policy in force in this process: one snapshot, swapped whole when something changed.

Every decision compares the store's epoch with the snapshot's. When they differ, as they do after a
publication and after each change of grants, a new snapshot is built off to the side, of the
published policy and the grants of one moment, and put in place by one assignment. While it cannot
be built or the epoch cannot be read, nothing is answered: the error reaches the caller, and the
snapshot from before the change is not used again. A grant that starts or ends needs no new
snapshot, only another window.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from threading import Lock

from sqlalchemy import Connection

from secvault.access.as_of import as_of
from secvault.access.builder import Builder, log_warning
from secvault.access.conditions import CONDITIONS, AccessContext, Registry
from secvault.access.could import could
from secvault.access.decide import (
    AccessRequest,
    Decision,
    FieldAccess,
    RandomBytes,
    decide,
    decide_fields,
    field_access,
)
from secvault.access.grants import Grant, read_live
from secvault.access.in_force import GivenByHand, InForce, Source
from secvault.access.matcher import EngineName
from secvault.access.narrowing import Narrowing, held_roles
from secvault.access.publication import latest_version
from secvault.access.rules import Rules
from secvault.access.snapshot import Alarm, Snapshot, log_alarm
from secvault.clock import Clock
from secvault.store import Store
from secvault.store.epoch import POLICY, read_epoch


@dataclass(frozen=True)
class _Present:
    """A snapshot with the policy that it was built of; never one without the other."""

    snapshot: Snapshot
    in_force: InForce

    def at(self, moment: int) -> _Present | None:
        """The same for another moment; see `Snapshot.at`."""
        shown = self.snapshot.at(moment)
        if shown is None or shown is self.snapshot:
            return None if shown is None else self
        return _Present(shown, self.in_force)


class Policy:
    """Decides by the present policy. Safe to use from many threads.

    source: the policies that were published; or rules, which are then taken as they are.
    recheck_seconds: how old the comparison with the store's epoch may be; 0 compares for every
    decision, so that a revoked grant opens nothing from the moment its transaction ended.
    A caller that acts inside a transaction passes its connection: then the epoch is read there,
    whatever `recheck_seconds` says, and the transaction's own changes count.
    """

    def __init__(
        self,
        store: Store,
        source: Source | Rules,
        clock: Clock,
        *,
        recheck_seconds: float = 0.0,
        random: RandomBytes = os.urandom,
        engine: EngineName = "table",
        alarm: Alarm = log_alarm,
        tell: Alarm = log_warning,
    ) -> None:
        """engine, alarm, tell: see `Builder`."""
        self._store = store
        self._clock = clock
        self._recheck = recheck_seconds
        self._random = random
        self._building = Lock()
        self._source = GivenByHand(source) if isinstance(source, Rules) else source
        self._builder = Builder(clock.monotonic, random, engine, alarm, tell)
        self._current: _Present | None = None
        self._compared_at = 0.0

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        return self.in_force().rules

    def in_force(self, connection: Connection | None = None) -> InForce:
        """What is in force, whole. connection: a transaction, to see it as that one does.

        Raises Unavailable when the store, or what it holds, cannot be read.
        """
        if connection is None:
            return self._present(self._clock.micros()).in_force
        latest = latest_version(connection)
        number = latest.number if latest else 0
        current = self._current
        if current and current.in_force.number == number:
            return current.in_force
        return self._source.numbered(connection, number)

    def publish(self, rules: Rules) -> None:
        """Put other rules in force for every decision that begins after this returns.

        Only where they were given by hand; those of a store are published there.
        """
        assert isinstance(self._source, GivenByHand)  # noqa: S101 - else the store is the way
        with self._building:
            self._source.put(rules)
            self._current = None

    def as_of(
        self,
        connection: Connection,
        at: int,
        *,
        epoch: int | None = None,
        known_until: int | None = None,
        registry: Registry = CONDITIONS,
    ) -> Snapshot:
        """The policy of a past moment (microseconds): what was published then, with the grants as
        they stood then.

        epoch: of the policy, where somebody kept it; see `publication.version_at`. known_until,
        registry: see `as_of.as_of`. Raises NotFound when nothing was published yet,
        Unavailable, Damaged.
        """
        in_force, published = self._source.at(connection, at, epoch=epoch)
        found = as_of(connection, in_force.rules, at, known_until=known_until, registry=registry)
        return replace(found, epoch=published)

    def snapshot(self, at: int, connection: Connection | None = None) -> Snapshot:
        """The policy of the moment `at` (microseconds), as the store has it now.

        Raises Unavailable when the store, or the policy that it holds, cannot be read.
        """
        return self._present(at, connection).snapshot

    def held_roles(
        self, subject: str, at: int, narrowing: Narrowing = (), connection: Connection | None = None
    ) -> frozenset[str]:
        """The roles of a subject's credential, in any department; see `narrowing.held_roles`."""
        return held_roles(self.snapshot(at, connection).basis, subject, narrowing)

    def decide(self, request: AccessRequest, connection: Connection | None = None) -> Decision:
        """Decide one request; see `decide.decide`."""
        return decide(self.snapshot(request.context.at, connection), request, random=self._random)

    def decide_in(self, snapshot: Snapshot, request: AccessRequest) -> Decision:
        """Decide by a policy that `snapshot` gave, so that several answers are of one."""
        return decide(snapshot, request, random=self._random)

    def could(self, request: AccessRequest, connection: Connection | None = None) -> bool:
        """Whether the answer would be yes in some circumstances; see `could.could`."""
        return could(self.snapshot(request.context.at, connection), request)

    def decide_by_epoch(self, request: AccessRequest, epoch: int) -> Decision | None:
        """Decide without looking into the store, which the caller did: this is its epoch.

        None when the policy at hand is of another epoch, or not of the request's moment.
        """
        current = self._current
        if current is None or current.snapshot.epoch != epoch:
            return None
        shown = self._shown(current, request.context.at)
        return decide(shown.snapshot, request, random=self._random) if shown else None

    def decide_fields(
        self,
        subject: str,
        department: str,
        collection: str,
        fields: Iterable[str],
        action: str,
        *,
        context: AccessContext,
        narrowing: Narrowing = (),
        connection: Connection | None = None,
    ) -> Mapping[str, Decision]:
        """Decide `action` for each field, all by one policy; see `decide.decide_fields`."""
        return decide_fields(
            self.snapshot(context.at, connection),
            subject=subject,
            department=department,
            collection=collection,
            fields=fields,
            action=action,
            context=context,
            narrowing=narrowing,
            random=self._random,
        )

    def field_access(
        self,
        subject: str,
        department: str,
        collection: str,
        fields: Iterable[str],
        context: AccessContext,
        *,
        narrowing: Narrowing = (),
        connection: Connection | None = None,
    ) -> Mapping[str, FieldAccess]:
        """How each field is shown, all by one policy; see `decide.field_access`."""
        return field_access(
            self.snapshot(context.at, connection),
            subject=subject,
            department=department,
            collection=collection,
            fields=fields,
            context=context,
            narrowing=narrowing,
            random=self._random,
        )

    def _present(self, at: int, connection: Connection | None = None) -> _Present:
        current = self._current
        if connection is not None:
            same = current and current.snapshot.epoch == read_epoch(connection, POLICY)
            shown = self._shown(current, at) if current and same else None
            return shown or self._build(at, connection)
        shown = self._shown(current, at) if current and self._unchanged(current) else None
        return shown or self._renew(at)

    def _shown(self, current: _Present, at: int) -> _Present | None:
        """The same policy for the moment `at`; None for a moment before all that it knows."""
        shown = current.at(at)
        # Kept for those who come next, unless another policy is being put in its place.
        if shown is not None and shown is not current and self._building.acquire(blocking=False):
            try:
                if self._current is current:
                    self._current = shown
            finally:
                self._building.release()
        return shown

    def _unchanged(self, current: _Present) -> bool:
        now = self._clock.monotonic()
        if self._recheck and now - self._compared_at < self._recheck:
            return True
        with self._store.read(afresh=True) as connection:
            same = read_epoch(connection, POLICY) == current.snapshot.epoch
        if same:
            self._compared_at = now
        return same

    def _renew(self, at: int) -> _Present:
        with self._building:
            current = self._current
            # Another thread may have built it while this one waited.
            shown = current.at(at) if current and self._unchanged(current) else None
            if shown is None:
                began = self._clock.monotonic()
                with self._store.read(afresh=True) as connection:
                    shown = self._build(at, connection)
                self._compared_at = began
            self._current = shown
            return shown

    def _build(self, at: int, connection: Connection) -> _Present:
        live = read_live(connection, self._builder.known)
        in_force = self._source.numbered(connection, live.published)
        grants: Iterable[Grant] = live.grants
        if in_force.rescue:
            # A grant of a role that the substitute lacks must not shut out whoever mends it.
            grants = [grant for grant in grants if grant.role in in_force.rules.roles]
        made = self._builder.build(in_force.rules, grants, epoch=live.epoch, at=at)
        return _Present(made, in_force)
