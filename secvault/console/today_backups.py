"""What is wrong with backups, their drills and the recovery kit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from secvault.console.today_concerns import Concern, Weight
from secvault.console.visitor import Visitor
from secvault.service import backup_status, drill_standing, recovery_kit_status
from secvault.service.backup_status import Status
from secvault.service.drill_standing import Standing
from secvault.service.recovery_kit_status import State
from secvault.service.recovery_kits import operation as of_kit
from secvault.service.spine import Operation

BACKUPS, DRILLS, KIT = "/backups", "/drills", "/recovery"
READ_BACKUPS = Operation("backup.read", "it", "*", "it/backups/*")
READ_DRILLS = Operation("drill.read", "it", "*", "it/backups/*")
READ_KIT = of_kit("kit.read")

_OF_KIT: dict[State, Weight] = {
    "missing": "bad",
    "stale": "bad",
    "outdated": "warn",
    "unwritten": "warn",
}
"""What people must do about. A kit that is behind is issued anew by the worker."""


def plans_of(at: Visitor) -> tuple[Status, ...]:
    """Every plan as it stands, the worst first; nothing for who may not know."""
    if not at.may(READ_BACKUPS):
        return ()
    return backup_status.read_status(at.service, at.caller, measured=False)


def backups(plans: Iterable[Status]) -> Iterator[Concern]:
    """Plans that do not keep their promise, or whose backups look wrong."""
    for status in plans:
        state = status.state
        path = f"{BACKUPS}/{quote(state.plan)}"
        if state.behind:
            since = state.behind_since
            yield Concern("bad", "plan-behind", state.plan, path, BACKUPS, since)
        elif (failed := state.failed) is not None:
            yield Concern(
                "warn",
                "plan-failing",
                state.plan,
                path,
                BACKUPS,
                failed.finished_at,
                times=failed.times,
            )
        if status.damaged:
            yield Concern("bad", "plan-damaged", state.plan, path, BACKUPS)
        if state.anomalies:
            yield Concern("bad", "plan-strange", state.plan, path, BACKUPS)


def drills(at: Visitor, plans: Iterable[Status]) -> Iterator[Concern]:
    """Plans that are not proven to restore, or not in time. plans: empty where none were read."""
    saved = {one.state.plan: one.state.newest is not None for one in plans}
    known = tuple(one.drills for one in plans)
    if not known and at.may(READ_DRILLS):
        known = drill_standing.read_standings(at.service, at.caller)
    for one in known:
        yield from _of_standing(one, saved=saved.get(one.plan, True))


def kit(at: Visitor) -> Iterator[Concern]:
    """Whether what people have in hand brings the company back."""
    found = recovery_kit_status.read_status(at.service, at.caller)
    if found.state in _OF_KIT:
        yield Concern(_OF_KIT[found.state], f"kit-{found.state}", path=KIT, whole=KIT)


def _of_standing(one: Standing, *, saved: bool) -> Iterator[Concern]:
    plan, about = one.plan, f"{DRILLS}?plan={quote(one.plan)}"
    proven, failing = one.proven, one.failing
    if failing is not None:
        path = f"{DRILLS}/{quote(failing.id)}"
        since = failing.finished_at or failing.started_at
        yield Concern("bad", "drill-failed", plan, path, DRILLS, since)
    elif one.overdue:
        yield Concern("warn", "drill-overdue", plan, about, DRILLS, one.due_by)
    elif one.missed_at is not None:
        yield Concern("warn", "drill-missed", plan, about, DRILLS, one.missed_at)
    elif proven is None and saved:
        yield Concern("warn", "never-proven", plan, about, DRILLS)
    if proven is not None and (took := proven.rto_of_all_seconds) is not None:
        target = one.settings.drill.rto_minutes * 60
        if took > target:
            path = f"{DRILLS}/{quote(proven.id)}"
            yield Concern("warn", "rto-missed", plan, path, DRILLS, proven.finished_at)
