"""The policy in force in this process: one snapshot, swapped whole when something changed.

Every decision compares the store's epoch with the snapshot's. When they differ, a new snapshot is
built off to the side and put in place by one assignment. While it cannot be built or the epoch
cannot be read, nothing is answered: the error reaches the caller, and the snapshot from before the
change is not used again. A grant that starts or ends needs no new snapshot, only another window.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from threading import Lock

from sqlalchemy import Connection

from secvault.access.builder import Builder, log_warning
from secvault.access.conditions import AccessContext
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
from secvault.access.grants import read_live
from secvault.access.matcher import EngineName
from secvault.access.narrowing import Narrowing, held_roles
from secvault.access.rules import Rules
from secvault.access.snapshot import Alarm, Snapshot, log_alarm
from secvault.clock import Clock
from secvault.store import Store
from secvault.store.epoch import POLICY, read_epoch


class Policy:
    """Decides by the present policy. Safe to use from many threads.

    recheck_seconds: how old the comparison with the store's epoch may be; 0 compares for every
    decision, so that a revoked grant opens nothing from the moment its transaction ended.
    A caller that acts inside a transaction passes its connection: then the epoch is read there,
    whatever `recheck_seconds` says, and the transaction's own changes count.
    """

    def __init__(
        self,
        store: Store,
        rules: Rules,
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
        self._rules = rules
        self._builder = Builder(clock.monotonic, random, engine, alarm, tell)
        self._current: Snapshot | None = None
        self._compared_at = 0.0

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        return self._rules

    def publish(self, rules: Rules) -> None:
        """Put other rules in force for every decision that begins after this returns."""
        with self._building:
            self._rules = rules
            self._current = None

    def snapshot(self, at: int, connection: Connection | None = None) -> Snapshot:
        """The policy of the moment `at` (microseconds), as the store has it now.

        Raises Unavailable when the store cannot be read, ConfigurationError for bad rules.
        """
        current = self._current
        if connection is not None:
            same = current and current.epoch == read_epoch(connection, POLICY)
            shown = self._shown(current, at) if current and same else None
            return shown or self._build(at, connection)
        shown = self._shown(current, at) if current and self._unchanged(current) else None
        return shown or self._renew(at)

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
        if current is None or current.epoch != epoch:
            return None
        shown = self._shown(current, request.context.at)
        return decide(shown, request, random=self._random) if shown else None

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

    def _shown(self, current: Snapshot, at: int) -> Snapshot | None:
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

    def _unchanged(self, current: Snapshot) -> bool:
        now = self._clock.monotonic()
        if self._recheck and now - self._compared_at < self._recheck:
            return True
        with self._store.read() as connection:
            same = read_epoch(connection, POLICY) == current.epoch
        if same:
            self._compared_at = now
        return same

    def _renew(self, at: int) -> Snapshot:
        with self._building:
            current = self._current
            # Another thread may have built it while this one waited.
            shown = current.at(at) if current and self._unchanged(current) else None
            if shown is None:
                began = self._clock.monotonic()
                with self._store.read() as connection:
                    shown = self._build(at, connection)
                self._compared_at = began
            self._current = shown
            return shown

    def _build(self, at: int, connection: Connection) -> Snapshot:
        epoch, grants = read_live(connection, self._builder.known)
        return self._builder.build(self._rules, grants, epoch=epoch, at=at)
