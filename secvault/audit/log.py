"""The writer: `record` returns when the event is on disk, or raises, and nothing in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock, Thread

from sqlalchemy import Connection

from secvault.audit.append import (
    Head,
    append,
    is_recorded_as,
    lock_head,
    put_into_outbox,
    take_from_outbox,
)
from secvault.audit.catalogue import LOST
from secvault.audit.event import Actor, Event
from secvault.audit.facts import IDENTIFIER
from secvault.audit.intake import Intake, Waiting
from secvault.audit.journals import Journals, Taking
from secvault.audit.leaf import Draft, Number, draft, event_id
from secvault.audit.personal_keys import SubjectKeys
from secvault.audit.personal_part import Part
from secvault.clock import Clock
from secvault.errors import AuditUnavailable, InvalidInput, SecvaultError, Unavailable
from secvault.store.engine import BUSY_SECONDS, Store

NewId = Callable[[int], str]
"""Makes a UUIDv7 for a moment in microseconds."""

QUEUE_LIMIT = 8_192
OUTBOX_ROWS = 512
WAIT_SECONDS = 5.0 + BUSY_SECONDS
_AGAIN_SECONDS = 1.0
_LASTING_SECONDS = 1.0
"""For how long the log may lack on disk what the journals hold there."""


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A batch whose commit raised: only the log can tell whether it went through.

    probe, number: id of its first event, and the number that it has if this batch wrote it.
    next_counter, lost: what holds if it did.
    """

    probe: str
    number: Number
    next_counter: int
    lost: int


class AuditLog:
    """The log, as one process writes to it; any number of processes and threads may do so at once.

    One thread takes whatever is queued and commits it in one transaction (group commit). A batch
    that cannot be committed fails those who wait for it and nobody else.

    Events that could not be written are counted. The next batch that succeeds begins with an
    `audit.lost` event that says how many, so that a gap in this process's numbers is explained.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        node: str,
        wait_seconds: float = WAIT_SECONDS,
        queue_limit: int = QUEUE_LIMIT,
        new_id: NewId = event_id,
        journals: Journals | None = None,
        keys: SubjectKeys | None = None,
    ) -> None:
        """Start the writing thread and have it append what outbox and journals still hold.

        node: id of this machine, 1 to 128 characters of `facts.IDENTIFIER`. wait_seconds: how
        long an operation waits, the store's own wait for a lock included. journals: of a store on
        this machine; without them `keep` does nothing. keys: to seal what is personal with; without
        them it is left out. Raises InvalidInput.
        """
        if not IDENTIFIER.fullmatch(node):
            raise InvalidInput.at("node", "must be 1 to 128 ASCII letters, digits and _ . : * -")
        self._store = store
        self._clock = clock
        self._node = node
        self._wait_seconds = wait_seconds
        self._new_id = new_id
        self._id_lock = Lock()
        self._id_micros = 0
        self._start = self._draft_id()
        self._intake = Intake(queue_limit)
        self._journals = journals
        self._keys = keys
        # Below here: only the writing thread writes.
        self._next_counter = 0
        self._lost = 0
        self._doubt: _Doubt | None = None
        self._trouble: str | None = None
        self._left_by_others = journals is not None
        self._lasting_from: float | None = None
        self._thread = Thread(target=self._run, name="audit-log", daemon=True)
        self._intake.wake()
        self._thread.start()

    def record(self, event: Event, *, reserve: bool = False) -> int:
        """Return the event's sequence number once it is durable.

        reserve: when the log cannot be written, keep the event in this process's reserve, where
        there is one; the answer is -1 then, and the event enters the log when it can be written.

        Call it outside any write transaction of the same store: it waits for one of its own.
        Raises InvalidInput for an event that does not fit the catalogue, AuditUnavailable if the
        event could not be made durable in time; the operation must then not be answered, though
        the event may still enter the log.
        """
        (outcome,) = self._submit(Waiting((self.draft(event),), reserve))
        return self._settled(outcome)

    def record_many(self, events: Iterable[Event]) -> list[int]:
        """Return the sequence numbers, in order, once all are durable.

        They may be committed in several transactions: after AuditUnavailable a first part can be
        in the log. Raises InvalidInput as `record` does, with nothing recorded.
        """
        waiting = [Waiting((self.draft(event),)) for event in events]
        return [self._settled(outcome) for outcome in self._submit(*waiting)]

    def draft(self, event: Event, connection: Connection | None = None) -> Draft:
        """The event, checked, with its id and time, and what is personal sealed.

        connection: the write transaction that the caller has open, if any. Raises InvalidInput as
        `record` does, AuditUnavailable when there is no key to seal with.
        """

        def seal(said: Event, event_id: str) -> Sequence[tuple[Part, bytes]]:
            return self._keys.seal(said, event_id, connection) if self._keys else ()

        try:
            return draft(event, id=self._draft_id(), t=self._clock.micros(), seal=seal)
        except Unavailable as error:
            raise AuditUnavailable(
                f"the audit entry could not be sealed: {error.detail}"
            ) from error

    def submit(self, drafts: Sequence[Draft]) -> Future[int]:
        """Queue drafts of `draft` for one transaction, without waiting for anything.

        The future gives the sequence number of the first once all are durable, or raises
        AuditUnavailable: then those operations must not be answered. Cancelled while it is still
        queued, it keeps the events out of the log. Raises AuditUnavailable when there is no room.
        """
        waiting = Waiting(tuple(drafts))
        self._intake.put((waiting,), 0)
        return waiting.outcome

    def keep(self, drafts: Sequence[Draft]) -> bool:
        """Put drafts of `draft` on disk at once, in this process's journal; True once they are.

        They enter the log soon. False, with nothing done, when that cannot be now or would take
        long: then `submit` them. Raises AuditUnavailable as the future of `submit` does.
        """
        if self._journals is None or not self._journals.quick:
            return False
        try:
            return self._journals.keep([each.kept for each in drafts])
        finally:
            self._intake.linger()

    @property
    def keys(self) -> SubjectKeys | None:
        """What seals and opens what is personal."""
        return self._keys

    @property
    def wait_seconds(self) -> float:
        """How long an operation waits for its entry."""
        return self._wait_seconds

    def intend(self, event: Event) -> str:
        """Record the intent of work that cannot share a transaction with the log.

        Returns the event's id; the event that ends the work names it as `correlation`. Raises
        as `record` does, and InvalidInput if the outcome is not `intent`.
        """
        if event.outcome != "intent":
            raise InvalidInput.at("outcome", "must be intent")
        made = self.draft(event)
        (outcome,) = self._submit(Waiting((made,)))
        self._settled(outcome)
        return made.id

    def enqueue(self, connection: Connection, event: Event) -> str:
        """Put the event into the caller's own write transaction; return its id.

        It enters the log exactly once if that transaction commits, and never if it does not.
        Call `kick` after the commit. Raises InvalidInput.
        """
        made = self.draft(event, connection)
        put_into_outbox(connection, made)
        return made.id

    def kick(self) -> None:
        """Have the outbox appended soon, without waiting. Call it after a commit with events."""
        self._intake.linger()

    def drain(self) -> int:
        """Append all that the outbox and the journals of all processes hold; how many events.

        Raises AuditUnavailable.
        """
        drained = 0
        while True:
            (outcome,) = self._submit(Waiting())
            appended = self._settled(outcome)
            drained += abs(appended)
            if appended >= 0:
                return drained

    @property
    def trouble(self) -> str | None:
        """Why the newest attempt to write failed; None if it did not. For readiness checks."""
        return self._trouble or (self._journals.trouble if self._journals else None)

    def close(self) -> None:
        """Write what is queued, append outbox and journal, and end the writing thread.

        Events that cannot be written fail their waiters; outbox and journal stay for the next
        start.
        """
        if self._journals is not None:
            self._journals.stop()
        self._intake.wake()
        self._intake.close()
        self._thread.join()
        if self._journals is not None:
            self._journals.close()

    def _draft_id(self) -> str:
        # Ids of one process sort in the order of their making, also when the clock stands still.
        with self._id_lock:
            self._id_micros = max(self._id_micros + 1, self._clock.micros())
            return self._new_id(self._id_micros)

    def _submit(self, *waiting: Waiting) -> list[Future[int]]:
        self._intake.put(waiting, self._wait_seconds)
        return [each.outcome for each in waiting]

    def _settled(self, outcome: Future[int]) -> int:
        try:
            return outcome.result(self._wait_seconds)
        except TimeoutError:
            # If the event is still queued, it stays out of the log.
            outcome.cancel()
            raise AuditUnavailable(
                f"the audit entry was not on disk within {self._wait_seconds:g} seconds"
            ) from None

    def _run(self) -> None:
        while True:
            owes = self._trouble or self._lasting_from is not None
            batch = self._intake.take(_AGAIN_SECONDS if owes else None)
            if batch is None:
                return
            self._write(batch)

    def _write(self, batch: list[Waiting]) -> None:
        live = [w for w in batch if w.outcome.set_running_or_notify_cancel()]
        self._lost += _events(batch) - _events(live)
        if self._journals is not None:
            self._journals.prepare()
            self._lost += self._journals.lost()
        others = self._left_by_others or any(not waiting.drafts for waiting in live)
        lasting = bool(live) or others or self._must_last()
        taking = Taking()
        try:
            with self._store.write(lasting=lasting) as connection:
                head = lock_head(connection)
                self._resolve_doubt(connection)
                if self._journals is not None:
                    taking = self._journals.take(connection, others=others)
                pending = take_from_outbox(connection, OUTBOX_ROWS) if head.outbox else []
                before = [*self._lost_event(), *taking.drafts, *pending]
                after = [draft for waiting in live for draft in waiting.drafts]
                self._append(connection, head, before, after)
        except Exception as error:  # noqa: BLE001 - this thread serves all others; it must not end
            reason = error.detail if isinstance(error, SecvaultError) else type(error).__name__
            self._trouble = f"the audit entry could not be written: {reason}"
            if self._journals is not None:
                self._journals.abandon(taking)
            refused = self._without_kept(live)
            self._lost += _events(refused)
            for waiting in refused:
                refusal = AuditUnavailable(self._trouble)
                refusal.__cause__ = error
                waiting.outcome.set_exception(refusal)
            return
        if self._doubt is not None:
            self._next_counter = self._doubt.next_counter
            self._lost = 0
            self._doubt = None
        self._trouble = None
        if self._journals is not None:
            self._settle(self._journals, taking, lasting=lasting)
            self._left_by_others = others and taking.more
        drained = len(taking.drafts) + len(pending)
        if taking.more or len(pending) == OUTBOX_ROWS:
            self._intake.wake()
            drained = -drained
        seq = head.frontier.size + len(before)
        for waiting in live:
            waiting.outcome.set_result(seq if waiting.drafts else drained)
            seq += len(waiting.drafts)

    def _must_last(self) -> bool:
        """Whether what is moved into the log while nobody waits has to be on disk there, too.

        The journals hold it on disk until then; a power cut puts both back to the same moment.
        """
        if self._journals is None or self._journals.pressing or self._lost or self._doubt:
            return True
        return self._lasting_from is not None and self._clock.monotonic() >= self._lasting_from

    def _settle(self, journals: Journals, taking: Taking, *, lasting: bool) -> None:
        if lasting:
            self._lasting_from = None
            journals.taken(taking)
            return
        journals.abandon(taking)
        if self._lasting_from is None:
            self._lasting_from = self._clock.monotonic() + _LASTING_SECONDS

    def _without_kept(self, live: list[Waiting]) -> list[Waiting]:
        """Keep what may be in the reserve; the others."""
        kept = [w for w in live if w.reserve and self._kept_in_reserve(w)]
        for waiting in kept:
            waiting.outcome.set_result(-1)
        return [waiting for waiting in live if waiting not in kept]

    def _kept_in_reserve(self, waiting: Waiting) -> bool:
        kept = [each.kept for each in waiting.drafts]
        return self._journals is not None and self._journals.keep_in_reserve(kept)

    def _append(
        self, connection: Connection, head: Head, before: list[Draft], drafts: list[Draft]
    ) -> None:
        """Append those that nobody waits for, then those that somebody does."""
        every = [*before, *drafts]
        if not every:
            return
        # The numbers of lost events are skipped: the gap is what `audit.lost` explains.
        counter = self._next_counter + self._lost
        first = Number(self._node, self._start, counter)
        gone = append(connection, head, every, first)
        lost = self._lost + len(drafts)
        self._doubt = _Doubt(every[0].id, first, counter + len(every), lost)
        if self._keys is not None:
            self._keys.forget(gone)

    def _resolve_doubt(self, connection: Connection) -> None:
        if self._doubt is not None and is_recorded_as(
            connection, self._doubt.probe, self._doubt.number
        ):
            self._next_counter = self._doubt.next_counter
            self._lost -= self._doubt.lost
        self._doubt = None

    def _lost_event(self) -> list[Draft]:
        if not self._lost:
            return []
        writer = Actor("system", self._node)
        return [self.draft(Event(LOST, "error", writer, "audit", count=self._lost))]


def _events(batch: list[Waiting]) -> int:
    return sum(len(waiting.drafts) for waiting in batch)
