"""Notices on their way: from the log to the outbox, and out.

Following the log and asking for a delivery is a matter of moments and belongs to the worker's own
turn; the delivery itself, which waits for servers, is a job, one at a time over all nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from secvault.audit.event import Actor, Event
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, NotFound, SecvaultError, Unavailable
from secvault.identity import contacts, people, service_accounts
from secvault.identity.contacts import Contact
from secvault.jobs import queue
from secvault.notices import following, outbox
from secvault.notices.channel import Channel
from secvault.notices.outbox import Notice
from secvault.notices.words import Message, message, words
from secvault.service.notifications import (
    channel_of,
    language_of,
    mail_to,
    reach_of,
    when,
)
from secvault.service.service import Service

KIND, PLAN = "notices", "all"
"""Of the jobs that deliver."""
AT_ONCE = 100
PASS_SECONDS = 60.0
"""How many notices, and how long, one delivery takes at most: it holds a place among the jobs."""
PAUSE_SECONDS = 60
"""After a delivery that failed as a whole."""
KEPT_JOBS = 100
"""How many ended deliveries stay listed among the jobs."""
IN_A_ROW = 3
"""Failures in a row after which a target is left alone for a while."""

_UNDER_WAY: tuple[queue.State, ...] = ("requested", "started")
_HOUR = 60 * 60 * outbox.MICROS


@dataclass
class Delivered:
    """What one delivery did. failures: in a row, by target."""

    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    unreachable: int = 0
    failures: dict[str, int] = field(default_factory=dict)


def tell(service: Service) -> int:
    """Note what the log holds of news, and ask for a delivery when one is due.

    How many notices were noted. Raises Unavailable, Damaged.
    """
    noted = following.follow(service.store, service.clock, reach_of(service))
    now = service.clock.micros()
    with service.store.read() as connection:
        wanted = outbox.any_due(connection, now) and not _asked_for(connection, now)
    if wanted:
        with service.store.write() as connection:
            if not _asked_for(connection, now):
                queue.request(
                    connection,
                    kind=KIND,
                    plan=PLAN,
                    requested_by="system:jobs",
                    now=now,
                    random=service.random,
                )
    return noted


def forget_old(service: Service) -> int:
    """Delete the notices that have ended and are older than the settings keep them; how many."""
    before = service.clock.micros() - service.settings.notifications.keep_days * 24 * _HOUR
    with service.store.write() as connection:
        return outbox.forget(connection, before)


def deliver(service: Service, cancelled: Callable[[], bool] = lambda: False) -> Delivered:
    """Try those whose turn it is, each in a transaction of its own after it was handed over.

    A kill between the two delivers one again, under the same id. What fails has its next turn
    later and later; after `give_up_hours` it is given up and put on record. A target that fails
    `IN_A_ROW` times is left alone for a while. Raises Unavailable.
    """
    key = service.entrance.keys.contacts
    end = service.clock.monotonic() + PASS_SECONDS
    with service.store.read() as connection:
        found = outbox.due(connection, service.clock.micros(), AT_ONCE)
    done = Delivered()
    for each in found:
        if cancelled() or service.clock.monotonic() >= end:
            break
        if done.failures.get(each.target, 0) < IN_A_ROW:
            _deliver_one(service, key, each, done)
    return done


class _Unreachable(Exception):
    """Nobody is there to be told. Its text is a code."""


def _deliver_one(service: Service, key: Secret, each: Notice, done: Delivered) -> None:
    try:
        channel, said = _prepared(service, key, each)
        taken = channel.send(said)
        reason = "not_taken"
    except _Unreachable as nobody:
        with service.store.write() as connection:
            outbox.unreachable(connection, each.id, service.clock.micros(), str(nobody))
        done.unreachable += 1
        return
    except ConfigurationError:
        taken, reason = False, "misconfigured"
    except Unavailable:
        raise
    except SecvaultError as error:
        # Such as a damaged address: the others fare better.
        taken, reason = False, error.code
    now = service.clock.micros()
    if taken:
        with service.store.write() as connection:
            outbox.delivered(connection, each.id, now)
        done.delivered += 1
        done.failures[each.target] = 0
        return
    done.failed += 1
    done.failures[each.target] = done.failures.get(each.target, 0) + 1
    if now - each.made_at >= service.settings.notifications.give_up_hours * _HOUR:
        _give_up(service, each, reason, done)
        return
    with service.store.write() as connection:
        outbox.postpone(connection, each, now, reason)
        if done.failures[each.target] >= IN_A_ROW:
            outbox.postpone_target(connection, each.target, now, reason)


def _give_up(service: Service, each: Notice, reason: str, done: Delivered) -> None:
    with service.store.write() as connection:
        if outbox.give_up(connection, each.id, service.clock.micros(), reason):
            service.audit.enqueue(connection, _given_up(each, reason))
            done.given_up += 1
    service.audit.kick()


def _given_up(each: Notice, reason: str) -> Event:
    return Event(
        kind="notification.given_up",
        outcome="error",
        actor=Actor("system", "secvault"),
        resource=f"it/notifications/{each.id}",
        department="it",
        detail={"reason": reason, "target": each.recipient},
    )


def _prepared(service: Service, key: Secret, each: Notice) -> tuple[Channel, Message]:
    sort, name = each.to
    with service.store.read() as connection:
        values = _values(service, connection, each)
        if sort == "channel":
            language = language_of(service, name)
            contact = contacts.NOWHERE
        else:
            if people.read_person(connection, name).state != people.ACTIVE:
                raise _Unreachable("disabled")
            contact = contacts.contact_of(connection, key, name)
            language = contact.language or service.settings.notifications.language
    if each.kind not in words(language):
        # Noted by a newer program than this one.
        raise _Unreachable("unknown_kind")
    said = message(each.kind, language, str(each.facts.get("voice", "admin")), values)
    if sort == "channel":
        try:
            return channel_of(service, name), said
        except NotFound:
            raise _Unreachable("no_channel") from None
    return _mail_to(service, contact, former=sort == "former"), said


def _mail_to(service: Service, contact: Contact, *, former: bool) -> Channel:
    address = contact.former if former else contact.address
    if not service.settings.notifications.mail.given:
        raise _Unreachable("no_mail")
    if not address:
        raise _Unreachable("no_address")
    return mail_to(service, address)


def _values(service: Service, connection: Connection, each: Notice) -> dict[str, str]:
    sort, name = each.to
    values = {key: str(value) for key, value in each.facts.items()}
    values |= {
        "id": each.id,
        "organisation": service.settings.organisation,
        "when": when(each.happened_at),
        "name": "",
        "who": _shown(connection, values.get("who", "")),
        "system": _shown(connection, f"svc:{values['system']}" if "system" in values else ""),
    }
    if sort != "channel":
        values["name"] = people.read_person(connection, name).display_name
    return values


def _shown(connection: Connection, subject: str) -> str:
    """The name by which a person or system is known; the subject itself when there is none."""
    sort, _, identity = subject.partition(":")
    try:
        if sort == "user":
            return people.read_person(connection, identity).name
        if sort == "svc":
            return service_accounts.read_account(connection, identity).name
    except NotFound:
        return subject
    return subject


def _asked_for(connection: Connection, now: int) -> bool:
    """Whether a delivery is under way, or failed as a whole so lately that another would, too."""
    failed = queue.jobs(connection, kind=KIND, state="failed", limit=1)
    if any(now - (each.finished_at or 0) < PAUSE_SECONDS * outbox.MICROS for each in failed):
        return True
    return any(queue.jobs(connection, kind=KIND, state=state, limit=1) for state in _UNDER_WAY)
