"""What is ended in a copy before it serves: it is older than what was lost and does not know.

A session that was ended, a token that was revoked, an approval, an invitation or a code that was
used since the copy was made: each would be good once more; so would emergency access that was given
back, and a way in that somebody stopped. So none of them is kept. Recovery codes on paper stay:
they may be the only way in for who has lost the telephone as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Update, delete, func, or_, select, update

from secvault.access.grants import PASSING
from secvault.audit.event import Actor, Event
from secvault.backup.plan_secrets import PING
from secvault.backup.repository import KEYS
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.recovery import stored as kits
from secvault.recovery.kit import KitHead, KitSecrets
from secvault.service.audit_rollback import Looked, accept_here
from secvault.service.recovering.storage import Reached
from secvault.service.service import Service
from secvault.store import tables
from secvault.store.epoch import CREDENTIALS, POLICY, announce

OPERATOR = Actor("local", "operator")
GIVEN_UP = "given up: the vault was recovered from a backup"


@dataclass(frozen=True)
class Ended:
    """How many of each were open in the copy. tokens: 0 where they were to be kept. codes: those of
    invitations among them. grants: those that were for the moment only (`Grant.passing`).
    """

    sessions: int
    tokens: int
    secret_ids: int
    approvals: int
    codes: int
    grants: int
    jobs: int


@dataclass(frozen=True)
class Told:
    """What the audit log is told of the recovery; see `catalogue`."""

    incident: str
    evidence: str
    plan: str
    repository: str
    snapshot: str
    kit: str
    rehearsal: bool
    data_at: int


def end_all(service: Service, told: Told, *, keep_tokens: bool) -> Ended:
    """End what must not be good again, and put the recovery on record, in one transaction.

    keep_tokens: the tokens and secret ids of systems go on; for an operator who knows that none was
    revoked since the copy.
    """
    now = service.clock.micros()
    with service.store.write() as connection:
        ended = _end(connection, now, keep_tokens=keep_tokens)
        if told.rehearsal:
            connection.execute(
                update(tables.backup_plan)
                .where(tables.backup_plan.c.paused_at.is_(None))
                .values(paused_at=now)
            )
            connection.execute(delete(tables.schedule))
            # The switch hears of the runs of the vault that lives.
            switch = tables.backup_plan_secret.c.place == PING
            connection.execute(delete(tables.backup_plan_secret).where(switch))
        announce(connection, CREDENTIALS)
        announce(connection, POLICY)
        event = Event(
            kind="vault.recovered",
            outcome="ok",
            actor=OPERATOR,
            resource="it/vault",
            department="it",
            count=ended.sessions + ended.tokens,
            detail={
                "incident": told.incident,
                "evidence": told.evidence,
                "plan": told.plan,
                "repository": told.repository,
                "snapshot": told.snapshot,
                "run": told.kit,
                "reason": "rehearsal" if told.rehearsal else "recovery",
                "old": told.data_at,
            },
        )
        service.audit.enqueue(connection, event)
    service.audit.kick()
    service.audit.drain()
    return ended


def leave_origin(service: Service, reason: str) -> str:
    """Have the log go on under another origin; which one.

    The log that was lost went on after the copy, and showed that. Two histories must not be signed
    under one name, in a rehearsal least of all: there the other one lives. Raises Refused.
    """
    made = accept_here(service, reason, Looked((), ()))
    return made.verifier.name


def adopt_passwords(
    service: Service, head: KitHead, secrets: KitSecrets, reached: tuple[Reached, ...]
) -> tuple[str, ...]:
    """Keep the passwords that the repositories opened with, where the copy knows others; of which.

    They were changed since the copy was made. The copy may not know the repository at all: then it
    was added since, and has its password once it is added again.
    """
    locations = {
        name: where
        for one in head.repositories
        for name, where in ((one.name, one.location), (f"{one.name}{KEYS}", one.keys_location))
    }
    changed = []
    for one in reached:
        for name, repository in (
            (one.name, one.repository),
            (f"{one.name}{KEYS}", one.keys),
        ):
            try:
                kept = service.backups.passwords.kept(name)
            except Damaged:
                kept = None
            if kept is None or kept.current != repository.password:
                service.backups.passwords.adopt(name, repository.location, repository.password)
                changed.append(name)
    known = {one.name for one in reached}
    for password in secrets.passwords:
        name = password.repository
        if name.removesuffix(KEYS) in known or service.backups.passwords.kept(name) is not None:
            continue
        # Nobody could try it, and the copy has none: better this than a new one.
        service.backups.passwords.adopt(name, locations.get(name, ""), Secret.of(password.password))
        changed.append(name)
    return tuple(changed)


def forget_older_shares(service: Service, head: KitHead) -> bool:
    """Issue no kit by itself for other shares than those that opened this one; whether there were
    others in force.

    The copy is of before they were made. A kit for the shares of then would be written over those
    that are opened by what the holders have.
    """
    with service.store.write() as connection:
        made = kits.shares_in_force(connection)
        if made is None or made.checks == head.shares.checks:
            return False
        connection.execute(update(tables.recovery_shares).values(sealed_secret=None))
    return True


def _end(connection: Connection, now: int, *, keep_tokens: bool) -> Ended:
    session, token, secret_id = tables.session, tables.token, tables.secret_id
    request, code, job = tables.approval_request, tables.reset_code, tables.job
    sessions = _count(
        connection, update(session).where(session.c.ended_at.is_(None)).values(ended_at=now)
    )
    tokens = secret_ids = 0
    if not keep_tokens:
        live = (token.c.revoked_at.is_(None), token.c.expires_at > now)
        tokens = _count(connection, update(token).where(*live).values(revoked_at=now))
        secret_ids = connection.execute(select(func.count()).select_from(secret_id)).scalar_one()
        connection.execute(delete(secret_id))
    approvals = _count(
        connection,
        update(request)
        .where(request.c.state == "open")
        .values(state="withdrawn", ended_at=now, ended_by="local:operator"),
    )
    codes = _count(connection, update(code).where(code.c.used_at.is_(None)).values(used_at=now))
    codes += connection.execute(delete(tables.invitation)).rowcount
    for passing in (tables.mfa_request, tables.passkey_challenge, tables.federation_step):
        connection.execute(delete(passing))
    grants = _end_emergencies(connection, now)
    jobs = _count(
        connection,
        update(job)
        .where(job.c.state.in_(("requested", "started")))
        .values(state="failed", finished_at=now, error=GIVEN_UP),
    )
    for work in (tables.backup_run, tables.drill, tables.drill_scenario):
        connection.execute(
            update(work)
            .where(work.c.state == "running")
            .values(state="failed", finished_at=now, beat_at=now, error=GIVEN_UP)
        )
    return Ended(sessions, tokens, secret_ids, approvals, codes, grants, jobs)


def _end_emergencies(connection: Connection, now: int) -> int:
    """End what was given for the moment, and ways in that wait; how many grants that were."""
    grant, incident = tables.role_grant, tables.break_glass_incident
    passing = or_(*(grant.c.source.startswith(source) for source in PASSING))
    running = (incident.c.ended_at.is_(None), incident.c.expires_at > now)
    connection.execute(
        update(incident).where(*running).values(ended_at=now, ended_by="local:operator")
    )
    return _count(
        connection,
        update(grant).where(grant.c.revoked_at.is_(None), passing).values(revoked_at=now),
    )


def _count(connection: Connection, change: Update) -> int:
    return int(connection.execute(change).rowcount)
