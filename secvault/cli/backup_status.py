"""`secvault backup status`: which plans keep their promise, the worst first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from secvault.cli import opening, operations, show

if TYPE_CHECKING:
    from secvault.service.backup_status import Status

_COLUMNS = {
    "plan": "Plan",
    "state": "State",
    "data_at": "Newest data",
    "age": "Age",
    "promised": "Promised",
    "next_due": "Next run",
    "size": "Size",
    "proven_at": "Proven",
}
_WORDS = {
    "size_collapse": "{what} is {percent} per cent smaller than usual (strange from {threshold})",
    "mass_change": "{percent} per cent of all files were changed, renamed or deleted (strange from "
    "{threshold}): secvault backup diff {plan}",
    "entropy_rise": "{percent} per cent of the changed files look encrypted (strange from "
    "{threshold}): secvault backup diff {plan}",
}


def status(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Show how every plan stands: behind its promise, strange, failing, unproven, new or good."""
    with opening.vault(context) as (service, caller):
        found = operations.backup_status.read_status(service, caller)
        kit = operations.recovery_kit_status.read_status(service, caller)
    rows = [_row(one) for one in found]
    if as_json:
        show.document({"plans": rows, "recovery_kit": kit.state})
        return
    shown = [{**row, **_in_words(row)} for row in rows]
    show.table(shown, _COLUMNS, "There is no plan: see [backup.plans.<name>] in the settings.")
    for row in rows:
        for line in _findings(row):
            show.talk(f"{row['plan']}: {line}")
    if kit.state != "good":
        show.talk(f"recovery kit: {kit.state}; see secvault recovery status")


def _row(one: Status) -> dict[str, Any]:
    state, newest, failed = one.state, one.state.newest, one.state.failed
    return {
        "plan": state.plan,
        "state": one.word,
        "behind": state.behind,
        "behind_since": show.time(state.behind_since),
        "promised_hours": state.promised_hours,
        "due_by": show.time(state.due_by),
        "owner": state.owner,
        "repositories": list(state.repositories),
        "newest_run": newest.run if newest else None,
        "newest_snapshot": newest.snapshot if newest else None,
        "data_at": show.time(newest.data_at if newest else None),
        "age_seconds": None if one.age is None else one.age // 1_000_000,
        "bytes": newest.bytes if newest else None,
        "bytes_added": newest.bytes_added if newest else None,
        "files": newest.files if newest else None,
        "snapshots": state.snapshots,
        "stored_bytes": one.measured.stored_bytes if one.measured else None,
        "running": state.running,
        "next_due": show.time(state.next_due),
        "failed_run": failed.run if failed else None,
        "failed_times": failed.times if failed else 0,
        "error": failed.error if failed else None,
        "proven_at": show.time(one.drills.proven.finished_at if one.drills.proven else None),
        "drills": one.drills.word,
        "drill_due_by": show.time(one.drills.due_by),
        "drill_missed_at": show.time(one.drills.missed_at),
        "drill_failed": one.drills.failing.id if one.drills.failing else None,
        "damaged": list(one.damaged),
        "catalogue_as_of": show.time(state.refreshed_at),
        "anomalies": [vars(each) for each in state.anomalies],
    }


def _in_words(row: dict[str, Any]) -> dict[str, str]:
    age = row["age_seconds"]
    return {
        "age": "-" if age is None else show.duration(age * 1000),
        "promised": f"{row['promised_hours']} h",
        "size": show.size(row["bytes"]),
    }


def _findings(row: dict[str, Any]) -> list[str]:
    found = []
    if row["behind"]:
        found.append(f"behind since {row['behind_since']}: secvault backup run {row['plan']}")
    if row["failed_run"]:
        times = row["failed_times"]
        since = "since the newest good run" if row["newest_run"] else "in all, and none went well"
        often = "once" if times == 1 else f"{times} times"
        found.append(f"failed {often} {since}: {row['error'] or '-'}")
    if row["damaged"]:
        where = ", ".join(row["damaged"])
        found.append(
            f"the newest check found damage in {where}: keep it as it is, see "
            f"secvault backup checks"
        )
    if row["drill_failed"]:
        found.append(f"its drill did not pass: secvault drill show {row['drill_failed']}")
    if row["drills"] == "overdue":
        found.append(f"had to be proven by {row['drill_due_by']}: secvault drill run {row['plan']}")
    if row["drill_missed_at"]:
        found.append(f"the drill of {row['drill_missed_at']} did not begin: is a worker running?")
    for each in row["anomalies"]:
        what = f"the source {each['subject']}" if each["subject"] else "the backup"
        found.append(_WORDS[each["rule"]].format(**{**each, "what": what}))
    return found
