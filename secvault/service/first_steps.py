"""What a new vault lacks before a company can rely on it, for those who can do something about it.

It says only whether there is something, and names nobody: so it is asked without a record, as what
a page leaves out is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from sqlalchemy import Connection, select, true

from secvault.access import list_grants
from secvault.audit import publication
from secvault.recovery import stored
from secvault.service.approvals.approvers import ENOUGH, HOME, Approvers
from secvault.service.bootstrap import ADMINISTRATOR
from secvault.service.factors import has_spare
from secvault.service.recovery_kits import operation as on_kit
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation
from secvault.store.tables import backup_run, drill, role_grant

Step = Literal[
    "spare", "administrator", "kit", "plan", "backup", "drill", "publication", "department"
]
STEPS: tuple[Step, ...] = get_args(Step)
"""In the order in which they are best done."""

_BACKUPS = "it/backups/*"
_HERE = "local"
_NEEDS: dict[Step, Operation] = {
    # Their own, but asked of those alone whom a company cannot do without.
    "spare": Operation("person.invite", "it", "people", "it/people"),
    "administrator": Operation("person.invite", "it", "people", "it/people"),
    "kit": on_kit("kit.issue"),
    "plan": Operation("plan.add", "it", "*", _BACKUPS),
    "backup": Operation("backup.run", "it", "*", _BACKUPS),
    "drill": Operation("drill.run", "it", "*", _BACKUPS),
    "publication": Operation("audit.publish", "it", "log", "it/audit/publications"),
    "department": Operation("person.invite", "it", "people", "it/people"),
}


def first_steps(service: Service, caller: Caller) -> tuple[Step, ...]:
    """What is not done yet, of what the caller could do, if need be after a factor is shown.

    Nothing for who can do none of it. The caller must name no actions.
    """
    asked = service.spine.ask_each(caller, {step: _NEEDS[step] for step in STEPS})
    wanted = tuple(step for step, one in asked.items() if one.allowed or one.step_up is not None)
    if not wanted:
        return ()
    with service.store.read() as connection:
        return tuple(step for step in wanted if not _IS_DONE[step](service, caller, connection))


def _spare(service: Service, caller: Caller, connection: Connection) -> bool:
    return has_spare(service, connection, caller.principal.id)


def _administrator(service: Service, _: Caller, connection: Connection) -> bool:
    now = service.clock.micros()
    held = list_grants(connection, role=ADMINISTRATOR, department=HOME, valid_at=now)
    return len(Approvers.active(connection, {one.subject for one in held})) >= ENOUGH


def _kit(_: Service, _caller: Caller, connection: Connection) -> bool:
    return stored.shares_in_force(connection) is not None


def _plan(service: Service, _: Caller, _connection: Connection) -> bool:
    """Whether one saves to elsewhere than this machine, as the one of a new vault does not."""
    return any({one.repository, *one.copies} - {_HERE} for one in service.backups.plans().values())


def _backup(_: Service, _caller: Caller, connection: Connection) -> bool:
    done = select(backup_run.c.id).where(backup_run.c.state == "done").limit(1)
    return connection.execute(done).first() is not None


def _drill(_: Service, _caller: Caller, connection: Connection) -> bool:
    passed = select(drill.c.id).where(drill.c.passed.is_(true())).limit(1)
    return connection.execute(passed).first() is not None


def _publication(service: Service, _: Caller, connection: Connection) -> bool:
    return any(
        publication.state_of(connection, name).published_at
        for name in service.settings.audit.published
    )


def _department(_: Service, _caller: Caller, connection: Connection) -> bool:
    given = role_grant.c
    elsewhere = select(given.id).where(
        given.department != HOME, given.revoked_at.is_(None), given.subject.like("user:%")
    )
    return connection.execute(elsewhere.limit(1)).first() is not None


_IS_DONE: dict[Step, Callable[[Service, Caller, Connection], bool]] = {
    "spare": _spare,
    "administrator": _administrator,
    "kit": _kit,
    "plan": _plan,
    "backup": _backup,
    "drill": _drill,
    "publication": _publication,
    "department": _department,
}
