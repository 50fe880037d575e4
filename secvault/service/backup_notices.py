"""What people are to know of backups, put on record; `notices.backup_rules` says who is told.

Each is one entry of the audit log, which the notices follow: told once, whatever is killed, and in
the log whether or not anybody can be told. None raises for what is told twice.
"""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.audit.event import Actor, Event
from secvault.audit.facts import WORD, Fact
from secvault.backup.anomaly import Anomaly
from secvault.config import PlanSettings
from secvault.errors import ConfigurationError, NotFound, SecvaultError
from secvault.identity import people
from secvault.service.service import Service
from secvault.store.engine import insert_unless_there
from secvault.store.tables import backup_told

_BY = Actor("system", "jobs")
_DAY = 24 * 60 * 60 * 1_000_000
UNNAMED = "unexpected"
"""The reason where what happened has no code."""
FAILED, CHECK_FAILED = "failed:", "check_failed:"
"""What the cause begins with by which something is told once."""


def tell_failed(service: Service, plan: str, run: str, reason: str) -> None:
    """A run of the plan failed for good; told once for each run.

    reason: the code of its error (`SecvaultError.code`), never its text. Raises Unavailable.
    """
    facts: dict[str, Fact] = {"run": run, "reason": reason_of(reason)}
    record_once(service, "backup.failed", plan, FAILED + run, facts)


def tell_check_failed(
    service: Service, plan: str, repository: str, reason: str, run: str = ""
) -> None:
    """A repository of the plan did not pass its check, or could not be checked.

    reason: the code of the error. run: the id of the check, for each of which it is told once;
    without one, once a day. Raises Unavailable.
    """
    facts: dict[str, Fact] = {"repository": repository, "reason": reason_of(reason)}
    if run:
        facts["run"] = run
    once = run or f"{plan}:{service.clock.micros() // _DAY}"
    record_once(service, "backup.check_failed", plan, check_cause(repository, once), facts)


def check_cause(repository: str, check: str) -> str:
    """By which the failure of a check in one repository is told once."""
    return f"{CHECK_FAILED}{repository}:{check}"


def note_behind(
    service: Service, connection: Connection, plan: str, seconds: int, promised: int
) -> None:
    """The plan's newest good backup is older than promised; in the caller's transaction.

    seconds: its age. promised: the oldest that it may be. The caller kicks the log afterwards.
    """
    facts: dict[str, Fact] = {"seconds": seconds, "threshold": promised}
    service.audit.enqueue(connection, _event(service, connection, "backup.behind", plan, facts))


def note_anomaly(service: Service, connection: Connection, found: Anomaly) -> None:
    """What is strange about a run, likewise; for the whole plan its subject is `*`."""
    facts: dict[str, Fact] = {
        "run": found.run,
        "snapshot": found.snapshot,
        "rule": found.rule,
        "subject": found.subject or "*",
        "percent": found.percent,
        "threshold": found.threshold,
        "files": found.files,
    }
    event = _event(service, connection, "backup.anomaly", found.plan, facts)
    service.audit.enqueue(connection, event)


def reason_of(code: str) -> str:
    """A reason as the log takes it: a code, or that there is none."""
    return code if WORD.admits(code) else UNNAMED


def code_of(error: BaseException) -> str:
    """The code of an error, as a reason."""
    return error.code if isinstance(error, SecvaultError) else UNNAMED


def owner_of(service: Service, connection: Connection, plan: str) -> str:
    """The id of the person who answers for the plan; empty where nobody is named or there is none.

    A plan whose owner has left is still the administrators' business.
    """
    try:
        chosen: PlanSettings = service.backups.plan(plan)
        return people.find_person(connection, chosen.owner).id if chosen.owner else ""
    except (NotFound, ConfigurationError):
        return ""


def record_once(service: Service, kind: str, plan: str, cause: str, facts: dict[str, Fact]) -> None:
    """Put it on record unless something was by this cause. Raises Unavailable."""
    row = {"cause": cause, "told_at": service.clock.micros()}
    with service.store.write() as connection:
        if not insert_unless_there(connection, backup_told, row):
            return
        service.audit.enqueue(connection, _event(service, connection, kind, plan, facts))
    service.audit.kick()


def _event(
    service: Service, connection: Connection, kind: str, plan: str, facts: dict[str, Fact]
) -> Event:
    owner = owner_of(service, connection, plan)
    return Event(
        kind=kind,
        outcome="error",
        actor=_BY,
        resource=f"it/backups/{plan}",
        department="it",
        detail={"plan": plan, **facts, **({"person": owner} if owner else {})},
    )
