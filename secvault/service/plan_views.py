"""Backup plans as people see them, and whether one of the store can be run as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection

from secvault.backup import plan_secrets
from secvault.backup.plan_rules import require_storable
from secvault.backup.plan_secrets import PING
from secvault.backup.plans import StoredPlan
from secvault.backup.retention import Retention
from secvault.clock import micros_of
from secvault.config import PlanSettings
from secvault.errors import ConfigurationError, InvalidInput, NotFound
from secvault.jobs import calendar
from secvault.service import plan_schedules
from secvault.service.plan_schedules import KINDS
from secvault.service.service import Service

Due = Mapping[str, Mapping[str, int]]
State = Literal["active", "paused", "not-allowed", "shadowed"]


@dataclass(frozen=True)
class PlanView:
    """A plan as people see it. Times in microseconds, UTC.

    state: `not-allowed` when the settings of now forbid what it says, for the reason in `fault`;
    `shadowed` when the settings declare one of its name, which is the one that runs. settings:
    without secrets, whose places are in `secrets`. version: 0 of a declared one. due: when what is
    due next of it, by the kind of the work.
    """

    name: str
    state: State
    settings: PlanSettings
    secrets: tuple[str, ...]
    declared: bool = False
    version: int = 0
    paused_at: int | None = None
    made_by: str = ""
    made_at: int | None = None
    changed_by: str = ""
    changed_at: int | None = None
    fault: str = ""
    due: Mapping[str, int] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """The settings as JSON, without the keys that hold secrets."""
        values: dict[str, Any] = self.settings.model_dump(mode="json")
        del values[PING]
        for name, source in self.settings.sources.items():
            for key in plan_secrets.keys_of(source):
                del values["sources"][name][key]
        return values


def declared_view(service: Service, name: str, due: Due) -> PlanView:
    """A plan of the settings. due: see `due_by_plan`."""
    settings, secrets = plan_secrets.split(service.settings.backup.plans[name])
    return PlanView(
        name, "active", settings, tuple(sorted(secrets)), declared=True, due=due.get(name, {})
    )


def stored_view(
    service: Service, plan: StoredPlan, due: Mapping[str, Mapping[str, int]]
) -> PlanView:
    """A plan of the store. due: see `due_by_plan`."""
    shadowed = plan.name in service.settings.backup.plans
    state: State = "active" if plan.paused_at is None else "paused"
    fault = ""
    try:
        require_usable(service, plan.settings, dict.fromkeys(plan.secrets - {PING}, ""))
    except InvalidInput as error:
        state, fault = "not-allowed", error.detail
    return PlanView(
        plan.name,
        "shadowed" if shadowed else state,
        plan.settings,
        tuple(sorted(plan.secrets)),
        version=plan.version,
        paused_at=plan.paused_at,
        made_by=plan.made_by,
        made_at=plan.made_at,
        changed_by=plan.changed_by,
        changed_at=plan.changed_at,
        fault=fault,
        due={} if shadowed else due.get(plan.name, {}),
    )


def due_by_plan(connection: Connection) -> dict[str, dict[str, int]]:
    """What is due next of each plan, by the kind of the work, in microseconds."""
    due: dict[str, dict[str, int]] = {}
    for one, moment in calendar.schedules(connection):
        if one.kind in KINDS:
            due.setdefault(one.plan, {})[one.kind] = micros_of(moment)
    return due


def require_usable(service: Service, settings: PlanSettings, secrets: Mapping[str, str]) -> None:
    """Return when the plan can be run as it is said. Raises InvalidInput."""
    require_storable(settings, secrets, service.backups.openings)
    for key, name in (
        ("repository", settings.repository),
        *(("copies", copy) for copy in settings.copies),
    ):
        try:
            service.backups.repositories.get(name)
        except (ConfigurationError, NotFound):
            raise InvalidInput.at(key, f"there is no repository {name[:64]!r}") from None
    if settings.keep_within:
        try:
            Retention(within=settings.keep_within)
        except InvalidInput as error:
            raise InvalidInput.at("keep_within", error.fields[0].detail) from None
    plan_schedules.require_readable(service, settings)
