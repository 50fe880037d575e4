"""What a person and a program are told of a restore: before it, and when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secvault.cli import show
from secvault.errors import Damaged

if TYPE_CHECKING:
    from secvault.backup.restores.row import RestoreRun
    from secvault.service.backup_restores import Seen
    from secvault.service.backups import Restored

_SHOWN = 10


def row(run: RestoreRun) -> dict[str, Any]:
    """A restore as a line of a list or a JSON document."""
    times = {
        "requested_at": show.time(run.requested_at),
        "finished_at": show.time(run.finished_at),
    }
    return {**vars(run), **times}


def say_whole(restored: Restored, target: Path, *, as_json: bool) -> None:
    """Tell of a whole snapshot in a folder of its own."""
    values = {
        "snapshot": restored.snapshot.id,
        "taken": show.time(restored.snapshot.time_micros),
        "target": str(target),
        "copy_of_secvault": str(restored.target) if restored.has_vault else None,
        "files_checked": restored.comparison.checked,
        "bytes_checked": restored.comparison.bytes,
        "changed_while_saved": list(restored.comparison.changed_meanwhile),
        "data_keys": [str(file) for file in restored.key_files],
    }
    if as_json:
        show.document(values)
        return
    facts = {
        "snapshot": values["snapshot"],
        "taken": values["taken"],
        "restored to": values["target"],
        "checked": f"{restored.comparison.checked} files, "
        f"{show.size(restored.comparison.bytes)}, every hash as it was",
        "changed while saved": len(restored.comparison.changed_meanwhile),
    }
    if restored.has_vault:
        facts["copy of secvault"] = values["copy_of_secvault"]
        facts["data keys"] = ", ".join(map(str, restored.key_files)) or "in the database"
    show.facts(facts)
    if restored.key_files:
        show.talk("It serves nobody before `secvault backup rejoin` has brought the keys back.")


def say_preview(seen: Seen, *, as_json: bool) -> None:
    """Tell what a restore would do."""
    values = _preview(seen)
    if as_json:
        show.document(values)
        return
    facts = {
        "snapshot": values["snapshot"],
        "taken": values["taken"],
        "to": values["target"],
        "would fetch": f"{values['files']} files, {show.size(values['bytes'])}",
    }
    places = {
        "not there yet": values["new"],
        "there already": values["existing"],
        "in the way": values["blocked"],
    }
    # What is loaded only meets no files; the databases that it meets are named below.
    if any(places.values()) or not values["loads"]:
        facts |= places
    show.facts({**facts, "needs an approval": values["needs_approval"]})
    for load in values["loads"]:
        for each in load["meets"]:
            state = "is there" if each["there"] and not each["empty"] else "is not there yet"
            show.out(
                f"{load['source']}: {each['name']} as {each['gets']} at {each['place']} {state}"
            )
    for heading, key in (
        ("there already", "existing_first"),
        ("in the way", "blocked_first"),
        ("not in the snapshot", "missing"),
    ):
        _list(heading, values[key])
    for room in values["rooms"]:
        enough = "" if room["needed"] <= room["free"] else ": NOT ENOUGH"
        show.out(
            f"room at {show.cell(room['folder'])}: {show.size(room['needed'])} needed, "
            f"{show.size(room['free'])} free{enough}"
        )
    show.talk(_advice(values))


def say_done(result: Mapping[str, Any], *, as_json: bool) -> None:
    """Tell what a restore came to. Raises Damaged where a database is not as it was saved."""
    if as_json:
        show.document(result)
    else:
        show.facts(_facts_of(result))
        for load in result["loads"]:
            show.out(f"loaded {show.cell(load['source'])} into {show.cell(load['target'])}")
    different = [line for load in result["loads"] for line in load["differences"]]
    if different:
        raise Damaged(
            f"{len(different)} things in what was loaded are not as they were saved, first: "
            f"{different[0]}"
        )


def _facts_of(result: Mapping[str, Any]) -> dict[str, Any]:
    checked = f"{result['checked']} files, {show.size(result['bytes'])}, every hash as it was"
    facts = {"snapshot": result["snapshot"], "checked": checked}
    tally = result["tally"]
    # What was loaded only has no files that were put in a place.
    if result["targets"] or not result["loads"]:
        facts |= {
            "put in place": f"{tally['placed']} files, {show.size(tally['bytes'])}",
            "of them replaced": tally["replaced"],
            "there as they were": tally["same"],
            "others kept": tally["kept"],
            "restored to": result["targets"],
        }
    return {**facts, "changed while saved": len(result["changed_meanwhile"])}


def _list(heading: str, paths: list[str]) -> None:
    for path in paths[:_SHOWN]:
        show.out(f"{heading}: {show.cell(path)}")
    if len(paths) > _SHOWN:
        show.out(f"{heading}: and more; --json lists the first 200")


def _advice(values: Mapping[str, Any]) -> str:
    if values["missing"]:
        return "The snapshot does not hold all that you name; look into another one."
    if values["blocked"]:
        return "Nothing would be restored: move away what is in the way, or name another --target."
    if any(room["needed"] > room["free"] for room in values["rooms"]):
        return "Nothing would be restored: make room first."
    databases = [each for one in values["loads"] for each in one["meets"]]
    if values["existing"] or any(each["there"] and not each["empty"] for each in databases):
        spared = "--keep leaves it" if values["existing"] else "--rename NAME=NEW loads beside it"
        return f"What is there already: {spared}, --overwrite replaces it; else it is refused."
    pinned = f"--snapshot {values['snapshot'][:12]}"
    does = f"Do it with the same command and {pinned}, without --dry-run"
    if values["needs_approval"]:
        return f"{does}; another person has to approve it: secvault --ask REASON backup restore ..."
    return f"{does}."


def _preview(seen: Seen) -> dict[str, Any]:
    found = seen.preview
    return {
        "snapshot": seen.snapshot.id,
        "taken": show.time(seen.snapshot.time_micros),
        "target": seen.target,
        "needs_approval": seen.production,
        "files": found.files,
        "folders": found.folders,
        "bytes": found.bytes,
        "new": found.new,
        "existing": found.existing,
        "existing_first": found.existing_first,
        "blocked": found.blocked,
        "blocked_first": found.blocked_first,
        "missing": found.missing,
        "loads": [
            {
                "source": one.source,
                "kind": one.kind,
                "target": one.target,
                "bytes": one.bytes,
                "meets": [
                    {
                        "name": each.name,
                        "gets": each.into,
                        "place": each.place,
                        "there": each.there,
                        "empty": each.empty,
                    }
                    for each in one.meets
                ],
            }
            for one in found.loads
        ],
        "rooms": [
            {"folder": str(one.path), "needed": one.needed, "free": one.free} for one in found.rooms
        ],
        "enough_room": found.enough_room,
    }
