"""Operations on backup plans: see them; add, change, remove, pause those of the store.

A plan of the settings' file is read-only here, and goes before one of the store of its name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from secvault.backup import plan_secrets, plans
from secvault.backup.engine import SILENT_AFTER_SECONDS
from secvault.backup.plan_rules import weakened
from secvault.backup.plan_secrets import PING
from secvault.backup.plans import StoredPlan
from secvault.config import PlanSettings
from secvault.crypto.canonical import JsonValue, canonical_json
from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.identity.people import by_name_or_id
from secvault.jobs import calendar, queue
from secvault.service import plan_schedules
from secvault.service.approval import Terms
from secvault.service.backup_runs import FORGET
from secvault.service.plan_schedules import KINDS
from secvault.service.plan_views import (
    PlanView,
    declared_view,
    due_by_plan,
    require_usable,
    stored_view,
)
from secvault.service.privileged import listed
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store import tables


def list_plans(service: Service, caller: Caller) -> tuple[PlanView, ...]:
    """Every plan, of the settings and of the store, by name."""

    def act(connection: Connection) -> Outcome[tuple[PlanView, ...]]:
        due = due_by_plan(connection)
        declared = [declared_view(service, name, due) for name in service.settings.backup.plans]
        kept = [stored_view(service, one, due) for one in plans.all_stored(connection)]
        found = sorted((*declared, *kept), key=lambda one: (one.name, not one.declared))
        return Outcome(tuple(found), count=len(found))

    return service.spine.read(caller, _operation("backup.read", "*"), act)


def read_plan(service: Service, caller: Caller, name: str) -> PlanView:
    """One plan. Raises NotFound."""

    def act(connection: Connection) -> Outcome[PlanView]:
        due = due_by_plan(connection)
        if name in service.settings.backup.plans:
            return Outcome(declared_view(service, name, due), detail={"plan": name})
        return Outcome(
            stored_view(service, plans.get(connection, name), due), detail={"plan": name}
        )

    return service.spine.read(caller, _operation("backup.read", name), act)


def add_plan(service: Service, caller: Caller, name: str, values: Mapping[str, Any]) -> PlanView:
    """Make a plan of the store; the worker knows it from its next look on, on every node.

    values: as in the settings' file. Raises InvalidInput, Conflict when there is one of the name;
    ApprovalRequired for a name that had runs: the new plan is to keep or forget what they saved.
    """
    plans.require_name(name)

    def terms(connection: Connection) -> Terms | None:
        ran = select(tables.backup_run.c.id).where(tables.backup_run.c.plan == name).limit(1)
        if connection.execute(ran).first() is None:
            return None
        settings, secrets = _parsed(values)
        return {
            "plan": name,
            # Whoever approves sees all that is not as in a plan of which nothing is said.
            "changes": _changes(PlanSettings(), settings),
            "secrets": listed(sorted(secrets)),
            "settings": _digest(settings),
        }

    def act(connection: Connection) -> Outcome[PlanView]:
        _require_own(service, name)
        settings, secrets = _parsed(values)
        require_usable(service, settings, secrets)
        _require_owner(connection, settings)
        now = service.clock.micros()
        by = caller.principal.subject
        plans.add(connection, name, settings, by=by, now=now)
        _keep(service, connection, name, settings, secrets)
        _schedule(service, connection, name, settings)
        made = plans.get(connection, name)
        detail: dict[str, str | int | bool] = {"plan": name, "version": made.version}
        return Outcome(stored_view(service, made, due_by_plan(connection)), detail=detail)

    return service.spine.change(caller, _operation("plan.add", name), act, terms)


def change_plan(
    service: Service, caller: Caller, name: str, version: int, values: Mapping[str, Any]
) -> PlanView:
    """Give the plan of the store other settings, in place of all that it has.

    values: as in the settings' file. A secret that is left out stays, as long as it goes to the
    same server, user or bucket; an empty one is deleted. Raises NotFound, VersionMismatch,
    InvalidInput, Conflict; ApprovalRequired when less is saved by it, or kept for less long.
    """

    def wanted(kept: StoredPlan) -> tuple[PlanSettings, dict[str, str], frozenset[str]]:
        parsed = plans.parse(values)
        settings, secrets = plan_secrets.split(parsed)
        said = plan_secrets.said(parsed)
        stay = {
            place
            for place in kept.secrets - said
            if plan_secrets.still_fit(kept.settings, settings, place)
        }
        return settings, secrets, frozenset(stay)

    def terms(connection: Connection) -> Terms | None:
        kept = plans.stored(connection, name)
        if kept is None or kept.version != version:
            return None
        settings, secrets, stay = wanted(kept)
        less = {*weakened(kept.settings, settings)}
        if PING in kept.secrets and PING not in stay:
            less.add(PING)
        if not less:
            return None
        return {
            "plan": name,
            "version": version,
            "changes": _changes(kept.settings, settings),
            "secrets": listed(sorted(secrets)),
            "settings": _digest(settings),
        }

    def act(connection: Connection) -> Outcome[PlanView]:
        _require_own(service, name)
        kept = plans.get(connection, name)
        settings, secrets, stay = wanted(kept)
        # That one was checked when it was given.
        fit = {**dict.fromkeys(stay - {PING}, ""), **secrets}
        require_usable(service, settings, fit)
        _require_owner(connection, settings)
        _write(service, connection, caller, kept, version, settings, paused_at=kept.paused_at)
        plan_secrets.forget(connection, name, sorted(kept.secrets - stay))
        _keep(service, connection, name, settings, secrets)
        if kept.paused_at is None:
            _schedule(service, connection, name, settings)
        after = plans.get(connection, name)
        detail: dict[str, str | int | bool] = {
            "plan": name,
            "version": after.version,
            "from_version": version,
        }
        return Outcome(stored_view(service, after, due_by_plan(connection)), detail=detail)

    return service.spine.change(caller, _operation("plan.change", name), act, terms)


def remove_plan(service: Service, caller: Caller, name: str, version: int) -> None:
    """Delete the plan of the store. What it saved stays where it is, and nobody looks after it.

    Raises NotFound, VersionMismatch, Conflict while it runs, ApprovalRequired.
    """

    def terms(connection: Connection) -> Terms | None:
        kept = plans.written(connection, name)
        if kept.version != version:
            return None
        digest = hashlib.sha256(kept.settings.encode()).hexdigest()
        return {"plan": name, "version": version, "settings": digest}

    def act(connection: Connection) -> Outcome[None]:
        _require_at_rest(service, connection, name)
        plans.remove(connection, name, version)
        if name not in service.settings.backup.plans:
            _unschedule(service, connection, name, "its plan was removed before it could start")
        return Outcome(None, detail={"plan": name, "version": version})

    service.spine.change(caller, _operation("plan.remove", name), act, terms)


def pause_plan(
    service: Service, caller: Caller, name: str, version: int, *, paused: bool
) -> PlanView:
    """Let nothing of the plan of the store be due, until it is resumed; or resume it.

    What runs goes on; what is asked for by somebody is done. That the plan falls behind its RPO is
    told all the same. Raises NotFound, VersionMismatch, Conflict when it is so already.
    """

    def act(connection: Connection) -> Outcome[PlanView]:
        _require_own(service, name)
        kept = plans.get(connection, name)
        if (kept.paused_at is not None) == paused:
            raise Conflict(f"the plan {name} is {'paused' if paused else 'not paused'} already")
        at = service.clock.micros() if paused else None
        _write(service, connection, caller, kept, version, kept.settings, paused_at=at)
        if paused:
            _unschedule(service, connection, name, "its plan was paused before it could start")
        else:
            _schedule(service, connection, name, kept.settings)
        after = plans.get(connection, name)
        state = "paused" if paused else "active"
        detail: dict[str, str | int | bool] = {
            "plan": name,
            "version": after.version,
            "state": state,
        }
        return Outcome(stored_view(service, after, due_by_plan(connection)), detail=detail)

    return service.spine.change(caller, _operation("plan.pause", name), act)


def _parsed(values: Mapping[str, Any]) -> tuple[PlanSettings, dict[str, str]]:
    return plan_secrets.split(plans.parse(values))


def _require_own(service: Service, name: str) -> None:
    if name in service.settings.backup.plans:
        raise Conflict(
            f"the settings' file declares the backup plan {name}: change it there, or use another "
            "name"
        )


def _require_owner(connection: Connection, settings: PlanSettings) -> None:
    if not settings.owner:
        return
    try:
        by_name_or_id(connection, settings.owner)
    except (NotFound, InvalidInput):
        raise InvalidInput.at("owner", "there is nobody of this sign-in name") from None


def _require_at_rest(service: Service, connection: Connection, name: str) -> None:
    job = tables.job.c
    kinds = (*KINDS, FORGET)
    alive = service.clock.micros() - SILENT_AFTER_SECONDS * 1_000_000
    at_work = (
        select(job.id).where(job.plan == name, job.kind.in_(kinds), job.state == "started"),
        *(
            select(row.id).where(row.plan == name, row.state == "running", row.beat_at >= alive)
            for row in (tables.backup_run.c, tables.drill.c)
        ),
    )
    if any(connection.execute(each.limit(1)).first() is not None for each in at_work):
        raise Conflict(f"the plan {name} is at work; wait for it, then remove it")


def _write(
    service: Service,
    connection: Connection,
    caller: Caller,
    kept: StoredPlan,
    version: int,
    settings: PlanSettings,
    *,
    paused_at: int | None,
) -> None:
    plans.change(
        connection,
        kept,
        version,
        by=caller.principal.subject,
        now=service.clock.micros(),
        settings=settings,
        paused_at=paused_at,
    )


def _keep(
    service: Service,
    connection: Connection,
    name: str,
    settings: PlanSettings,
    secrets: Mapping[str, str],
) -> None:
    if secrets:
        key = service.keyring.internal_in(connection, plan_secrets.PURPOSE)
        plan_secrets.keep(connection, key, name, settings, secrets, service.random)


def _schedule(service: Service, connection: Connection, name: str, settings: PlanSettings) -> None:
    due = plan_schedules.of_plan(name, settings)
    calendar.put_schedules(connection, KINDS, name, due, service.clock.now())


def _unschedule(service: Service, connection: Connection, name: str, why: str) -> None:
    calendar.put_schedules(connection, KINDS, name, (), service.clock.now())
    queue.give_up(
        connection, KINDS, name, calendar.REQUESTED_BY, now=service.clock.micros(), error=why
    )


def _digest(settings: PlanSettings) -> str:
    return hashlib.sha256(canonical_json(plans.plain(settings))).hexdigest()


def _changes(before: PlanSettings, after: PlanSettings) -> list[JsonValue]:
    old, new = plans.plain(before), plans.plain(after)
    return [
        f"{name}: {canonical_json(old[name]).decode()} -> {canonical_json(new[name]).decode()}"
        for name in old
        if old[name] != new[name]
    ]


def _operation(action: str, name: str) -> Operation:
    return Operation(action, "it", name, f"it/backups/{name}")
