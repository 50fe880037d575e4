"""Streams on their way: the worker asks for a delivery, a job sends, one at a time over all nodes.

No delivery makes an entry of its own in the log, which would have to be delivered in its turn; that
a stream stands still, and that it goes on again, does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.audit.event import Actor, Event
from secvault.audit.streams import place
from secvault.audit.streams.batch import Batch, Destination, Undelivered
from secvault.audit.streams.place import Place
from secvault.config.streams import StreamSettings
from secvault.errors import ConfigurationError
from secvault.jobs import queue
from secvault.service.audit_streams import STREAMS, declared, destination
from secvault.service.service import Service

KIND = "audit-stream"
"""Of the jobs that send; their plan is the stream's name."""
PASS_SECONDS = 30.0
"""How long one delivery takes at most: it holds a place among the jobs."""
PAUSE_SECONDS = 30
"""After a delivery that failed as a whole."""
KEPT_JOBS = 100
"""How many ended deliveries stay listed among the jobs."""

_UNDER_WAY: tuple[queue.State, ...] = ("requested", "started")


@dataclass
class Sent:
    """What one delivery did. reason: why it ended before all was sent."""

    batches: int = 0
    events: int = 0
    reason: str = ""


def look_after(service: Service) -> int:
    """Begin the streams that are new, ask for a delivery where one is due, and put on record what
    stands still; how many deliveries were asked for. Raises Unavailable.
    """
    asked = 0
    for name, chosen in declared(service).items():
        now = service.clock.micros()
        with service.store.read() as connection:
            at = place.read(connection, name)
            due = at is not None and _is_due(connection, at, chosen, now)
            free = due and not _asked_for(connection, name, now)
        if at is None:
            with service.store.write() as connection:
                place.begin(connection, name, history=chosen.history)
        elif _stands_still(at, chosen, now):
            with service.store.write() as connection:
                if place.stall(connection, at, now):
                    service.audit.enqueue(connection, _noted(at, "stalled"))
            service.audit.kick()
        if free:
            asked += _ask(service, name, now)
    return asked


def deliver(service: Service, name: str, cancelled: Callable[[], bool] = lambda: False) -> Sent:
    """Send what waits, batch by batch, until nothing does, a batch fails, or time is up.

    The stream's place moves in a transaction of its own after each acknowledgement: a kill between
    the two sends a batch again. Raises Unavailable when the store cannot be reached, Damaged.
    """
    chosen = declared(service).get(name)
    sent = Sent()
    if chosen is None:
        return sent
    with service.store.read() as connection:
        at = place.read(connection, name)
    if at is None or not _turn_has_come(at, service.clock.micros()):
        return sent
    end = service.clock.monotonic() + PASS_SECONDS
    receiver: Destination | None = None
    while not cancelled() and service.clock.monotonic() < end:
        try:
            receiver = receiver or destination(service, name, chosen)
            with service.store.read() as connection:
                batch = place.next_batch(
                    connection,
                    at,
                    at_once=chosen.at_once,
                    form=chosen.format,
                    origin=service.signing.audit.name,
                )
            if batch is None:
                break
            receiver.deliver(batch)
        except (Undelivered, ConfigurationError, LookupError) as failed:
            sent.reason = _reason(failed)
            _failed(service, at, chosen, sent.reason)
            break
        moved = _acknowledged(service, at, batch)
        if moved is None:
            break
        sent.batches += 1
        sent.events += len(batch.events)
        at = moved
    return sent


def any_stalled(service: Service, connection: Connection) -> bool:
    """Whether a stream of the settings stands still."""
    chosen = declared(service)
    known = place.places(connection) if chosen else {}
    return any(known[name].stalled_at is not None for name in chosen if name in known)


def _acknowledged(service: Service, at: Place, batch: Batch) -> Place | None:
    with service.store.write() as connection:
        moved = place.acknowledge(connection, at, batch, service.clock.micros())
        if moved is not None and at.stalled_at is not None:
            service.audit.enqueue(connection, _noted(at, "resumed"))
    if at.stalled_at is not None:
        service.audit.kick()
    return moved


def _reason(failed: Undelivered | ConfigurationError | LookupError) -> str:
    if isinstance(failed, Undelivered):
        return str(failed)
    return "misconfigured" if isinstance(failed, ConfigurationError) else "entries_gone"


def _failed(service: Service, at: Place, chosen: StreamSettings, reason: str) -> None:
    # Only syslog acknowledges what its receiver may lose.
    overlap = chosen.overlap if chosen.target == "syslog" else 0
    with service.store.write() as connection:
        place.fail(connection, at, reason, service.clock.micros(), overlap=overlap)


def _ask(service: Service, name: str, now: int) -> int:
    with service.store.write() as connection:
        if _asked_for(connection, name, now):
            return 0
        queue.request(
            connection,
            kind=KIND,
            plan=name,
            requested_by="system:jobs",
            now=now,
            random=service.random,
        )
    return 1


def _is_due(connection: Connection, at: Place, chosen: StreamSettings, now: int) -> bool:
    if not _turn_has_come(at, now):
        return False
    waiting = place.log_size(connection) - at.next_seq
    if waiting <= 0:
        return False
    if waiting >= chosen.at_once:
        return True
    oldest = place.oldest_waiting(connection, at)
    return oldest is None or now - oldest >= chosen.gather_seconds * place.MICROS


def _turn_has_come(at: Place, now: int) -> bool:
    return at.next_try_at <= now


def _stands_still(at: Place, chosen: StreamSettings, now: int) -> bool:
    since = at.failing_since
    return (
        at.stalled_at is None
        and since is not None
        and now - since >= chosen.stalled_minutes * 60 * place.MICROS
    )


def _asked_for(connection: Connection, name: str, now: int) -> bool:
    """Whether a delivery is under way, or failed as a whole so lately that another would, too."""
    failed = queue.jobs(connection, kind=KIND, plan=name, state="failed", limit=1)
    if any(now - (each.finished_at or 0) < PAUSE_SECONDS * place.MICROS for each in failed):
        return True
    return any(
        queue.jobs(connection, kind=KIND, plan=name, state=state, limit=1) for state in _UNDER_WAY
    )


def _noted(at: Place, state: str) -> Event:
    detail: dict[str, str | int | bool] = {"target": at.name, "state": state}
    if state == "stalled":
        detail["reason"] = at.reason or "unknown"
    if at.acknowledged_seq >= 0:
        detail["seq"] = at.acknowledged_seq
    return Event(
        kind="audit.stream",
        outcome="error" if state == "stalled" else "ok",
        actor=Actor("system", "secvault"),
        resource=f"{STREAMS}/{at.name}",
        department="it",
        detail=detail,
    )
