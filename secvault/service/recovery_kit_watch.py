"""The watch over the recovery kit: issued anew when something changed, and told when it is stale.

What tells is one entry of the audit log (`kit.stale`), which the notices follow. The worker looks
every minute; the work itself is a job.
"""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy import func, select

from secvault.audit.event import Actor, Event
from secvault.audit.facts import Fact
from secvault.crypto.canonical import JsonValue
from secvault.errors import ConfigurationError, Damaged, NotFound
from secvault.jobs import queue
from secvault.service.backup_steps import jobs_caller
from secvault.service.recovery_kit_places import write_newest
from secvault.service.recovery_kit_status import KitStatus, status
from secvault.service.recovery_kits import RESOURCE, renew_kit
from secvault.service.service import Service
from secvault.store.engine import insert_unless_there
from secvault.store.tables import backup_run, backup_told, job

KIT = "recovery-kit"
"""The kind of jobs that issue the kit anew and write it to its places."""
KEPT_JOBS = 200
"""How many ended ones stay listed."""
WHAT = "kit"
"""What such a job is about, where others name a plan."""

_HOUR = 3_600 * 1_000_000
_DAY = 24 * _HOUR
AGAIN = 7 * _DAY
"""How long after a telling what is stale still, or still missing, is told of again."""
GRACE = _DAY
"""How long there may be backups without a kit, a kit that nobody took out, and a place that does
not have the newest."""
TRIED = 6 * _HOUR
"""How long it may take to issue it anew before people are told."""


def look_after(service: Service) -> KitStatus:
    """Have it issued anew or written where it has to be, and tell once what people must do.

    Raises Conflict while the root is rotated, ConfigurationError, Damaged, Unavailable.
    """
    try:
        found = status(service)
    except (ConfigurationError, Damaged):
        # It may have to be issued anew, and nobody would hear of it.
        _tell_once(service, None, "unknown")
        raise
    if found.state != "missing" and (found.changes or found.unwritten):
        _request(service, found)
    reason = _reason(service, found)
    if reason:
        _tell_once(service, found, reason)
    return found


def do_work(service: Service) -> JsonValue:
    """Issue the kit anew if it has to be, and write it everywhere; what came of it."""
    found = status(service)
    if found.state == "missing":
        raise NotFound("the recovery kit is gone; issue it anew")
    if found.changes:
        made = renew_kit(service, jobs_caller())
        kit, places = made.head.kit, made.places
    else:
        kit, places = found.kit.id if found.kit else "", write_newest(service)
    failed = [one.place for one in places if one.fault]
    return {"kit": kit, "written": len(places) - len(failed), "failed": [*failed]}


def renew_if_any(service: Service) -> None:
    """Issue the kit anew at once where there is one and something has changed: whoever takes away
    what the one of before opens with does not wait for the worker. Raises as `look_after`.
    """
    found = status(service)
    if found.state != "missing" and found.changes:
        renew_kit(service, jobs_caller())


def _request(service: Service, found: KitStatus) -> str:
    now = service.clock.micros()
    with service.store.write() as connection:
        return queue.request(
            connection,
            kind=KIT,
            plan=WHAT,
            requested_by="system:jobs",
            now=now,
            # One an hour for the same cause: a place out of reach is not tried again and again.
            id=f"{_cause(found)}{now // _HOUR}",
        )


def _cause(found: KitStatus) -> str:
    """How the ids of the jobs begin that issue or write this kit for these changes."""
    changed = sha256(",".join(sorted(one.name for one in found.changes)).encode()).hexdigest()
    return f"{KIT}:{found.kit.id if found.kit else ''}:{changed[:12]}:"


def _tried_since(service: Service, found: KitStatus) -> int | None:
    """When the first of these jobs was asked for, in micros."""
    asked = select(func.min(job.c.requested_at)).where(
        job.c.kind == KIT, job.c.id.startswith(_cause(found), autoescape=True)
    )
    with service.store.read() as connection:
        return connection.execute(asked).scalar_one_or_none()


def _reason(service: Service, found: KitStatus) -> str:
    """Why people have to do something, in a word; empty where they have not."""
    now = service.clock.micros()
    if found.state == "missing":
        return "missing" if _saved_since(service, now - GRACE) else ""
    if found.changes or found.unwritten:
        since = _tried_since(service, found)
        if since is not None and since < now - (TRIED if found.changes else GRACE):
            return "behind" if found.changes else "unwritten"
    because = found.stale_because
    if because == "never-taken" and found.kit and now - found.kit.issued_at < GRACE:
        return ""
    return because


def _saved_since(service: Service, moment: int) -> bool:
    """Whether something was saved before that moment: then a kit is wanted."""
    run = backup_run
    asked = select(run.c.id).where(run.c.state == "done", run.c.finished_at < moment).limit(1)
    with service.store.read() as connection:
        return connection.execute(asked).first() is not None


def _tell_once(service: Service, found: KitStatus | None, reason: str) -> bool:
    now = service.clock.micros()
    kit = None if found is None else found.taken or found.kit
    about = found.kit.digest[:16] if found and found.kit else ""
    row = {"cause": f"kit_stale:{about}:{reason}:{now // AGAIN}", "told_at": now}
    facts: dict[str, Fact] = {"reason": reason}
    if kit is not None:
        facts |= {"run": kit.id, "seconds": (now - kit.issued_at) // 1_000_000}
    with service.store.write() as connection:
        if not insert_unless_there(connection, backup_told, row):
            return False
        event = Event(
            kind="kit.stale",
            outcome="error",
            actor=Actor("system", "jobs"),
            resource=RESOURCE,
            department="it",
            detail=facts,
        )
        service.audit.enqueue(connection, event)
    service.audit.kick()
    return True
