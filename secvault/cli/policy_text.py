"""Plans, differences and findings, as a person and as a program reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from secvault.cli import show

if TYPE_CHECKING:
    from secvault.access.advice import Finding
    from secvault.access.difference import Change, Difference
    from secvault.access.publication import Version
    from secvault.service.policies.apart import NewConflict
    from secvault.service.policies.planning import Plan

_SHOWN = 40
"""How many lines of a kind a person is shown; `--json` has them all."""


def finding(found: Finding) -> dict[str, Any]:
    """A finding for programs."""
    return {
        "level": found.level,
        "file": found.file,
        "line": found.line or None,
        "code": found.code,
        "text": found.text,
    }


def version(made: Version) -> dict[str, Any]:
    """A publication for programs."""
    return {
        "number": made.number,
        "digest": made.digest,
        "published_at": show.time(made.published_at),
        "published_by": made.published_by,
        "note": made.note,
        "proposal": made.proposal,
    }


def difference(found: Difference, names: Mapping[str, str]) -> dict[str, Any]:
    """Gains and losses for programs. A condition that changed can be both."""
    return {
        "gains": _side(found, names, gained=True),
        "losses": _side(found, names, gained=False),
    }


def plan(found: Plan) -> dict[str, Any]:
    """A plan for programs."""
    return {
        "plan": found.digest,
        "before": version(found.before),
        "after": found.bundle.digest,
        "changed": found.changed,
        "files": dict(found.changes.files),
        "rows": list(found.changes.rows),
        "obligations": list(found.changes.obligations),
        "collections": list(found.changes.collections),
        **difference(found.difference, found.names),
        "separation": [
            {
                "rule": one.rule,
                "mode": str(one.mode),
                "who": one.subject,
                "name": found.names.get(one.subject, one.subject),
                "text": one.text,
            }
            for one in found.separation
        ],
        "effect": found.effect,
        "blockers": list(found.blockers),
        "findings": [finding(one) for one in found.findings],
    }


def show_plan(found: Plan) -> None:
    """A plan for a person."""
    if not found.changed:
        show.out(
            f"Nothing to apply: the files are policy {found.before.number}, which is in force."
        )
        _section("They could not be applied today", found.blockers)
        return
    show.out(f"In force   policy {found.before.number}, {found.before.digest}")
    show.out(f"To apply   {found.bundle.digest}")
    _section("Files", [f"{name} {what}" for name, what in found.changes.files.items()])
    _section("Rows", found.changes.rows)
    _section("Who must approve", found.changes.obligations)
    _section("Collections", found.changes.collections)
    show_difference(found.difference, found.names)
    _section(
        "Duties that would come together",
        [_conflict(one, found.names) for one in found.separation],
    )
    _section(
        "To look at",
        [f"{one.where}: {one.text}" for one in found.findings if one.level != "note"],
    )
    _section("It cannot be applied", found.blockers)
    show.out(f"\nPlan {found.digest}")


def _conflict(one: NewConflict, names: Mapping[str, str]) -> str:
    name = names.get(one.subject, one.subject)
    known = f"{name}: " if one.subject and name != one.subject else ""
    return f"{known}{one.text} ({one.mode})"


def show_difference(found: Difference, names: Mapping[str, str]) -> None:
    """Gains and losses for a person."""
    for title, gained in (("Gains", True), ("Losses", False)):
        every = _side(found, names, gained=gained)
        lines = [_line(one["who"], one["name"], each) for one in every for each in one["changes"]]
        people = sum(one["who"].startswith(("user:", "svc:")) for one in every)
        _section(f"{title}: {len(every) - people} roles, {people} people and systems", lines)
        if not lines:
            show.out(f"\n{title}: nobody")


def _side(found: Difference, names: Mapping[str, str], *, gained: bool) -> list[dict[str, Any]]:
    listed = []
    for who, every in sorted(found.items()):
        kept = [_change(one) for one in every if (one.gained if gained else one.lost)]
        if kept:
            listed.append({"who": who, "name": names.get(who, who), "changes": kept})
    return listed


def _change(change: Change) -> dict[str, Any]:
    return {
        "departments": list(change.departments),
        "object": change.object,
        "action": change.action,
        "fields": list(change.fields),
        "before": str(change.before),
        "after": str(change.after),
    }


def _line(who: str, name: str, change: Mapping[str, Any]) -> str:
    known = who if name == who else f"{name} ({who})"
    fields = f" ({', '.join(change['fields'])})" if change["fields"] else ""
    where = ", ".join(change["departments"])
    sides = f"{change['before']} -> {change['after']}"
    return f"{known}: {change['action']} on {change['object']}{fields} in {where}: {sides}"


def _section(title: str, lines: Any) -> None:
    every = list(lines)
    if not every:
        return
    show.out(f"\n{title}")
    for line in every[:_SHOWN]:
        show.out(f"  {show.cell(line)}")
    if len(every) > _SHOWN:
        show.out(f"  and {len(every) - _SHOWN} more, see --json")
