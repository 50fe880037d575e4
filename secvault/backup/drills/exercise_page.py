"""The pages of scenario drills, rehearsals and recoveries, from their signed documents."""

from __future__ import annotations

from secvault.backup.drills import amounts, evidence, reading
from secvault.backup.drills.page import Cell, Measure, Section, Tone
from secvault.backup.drills.reading import Document
from secvault.backup.drills.words import Words

_LEADS = {
    evidence.SCENARIO: "scenario",
    evidence.REHEARSAL: "rehearsal",
    evidence.RECOVERY: "recovery",
}


def leads(document: Document, words: Words) -> tuple[Tone, tuple[str, ...]]:
    """The verdict, and what must be known with it."""
    passed = document["passed"]
    said = [words.say("leads", f"{_LEADS[document['kind']]}_{'passed' if passed else 'failed'}")]
    failed = [step for step in document["steps"] if step["verdict"] == "failed"]
    if failed:
        first = words.named("steps", failed[0]["name"])
        said.append(words.say("leads", "failed_steps", count=len(failed), first=first))
    if document["faults"]:
        count = amounts.number(document["fault_count"], words)
        first = words.named("faults", document["faults"][0]["code"])
        said.append(words.say("leads", "faults", count=count, first=first))
    said += reading.missed_targets(document["figures"], words)
    left_open = _open(document, words)[1]
    if left_open:
        said.append(words.say("leads", "open", count=amounts.number(left_open, words)))
    return "good" if passed else "bad", tuple(said)


def measures(document: Document, words: Words) -> tuple[Measure, ...]:
    """RPO and RTO against their targets, and what would be lost."""
    figures = document["figures"]
    return (
        *reading.recovery_measures(
            figures,
            words,
            rto_label="rto" if document["passed"] else "rto_failed",
            passed=document["passed"],
        ),
        *reading.lost_measure(figures, words),
    )


def sections(document: Document, words: Words) -> tuple[Section, ...]:
    """What was done, by whom, what came back, what is wrong and what was not tested."""
    items, count = _open(document, words)
    found = [("", fault) for fault in document["faults"]]
    shown = (
        reading.faults(found, document["fault_count"], words),
        _skipped(document, words),
        _things(document, words),
        _steps(document, words),
        reading.not_tested(items, count, words, f"always_open_{_LEADS[document['kind']]}"),
        reading.phases(document["figures"], words),
        _about(document, words),
    )
    return tuple(section for section in shown if section is not None)


def _open(document: Document, words: Words) -> tuple[list[Cell], int]:
    items = [reading.told(one, words) for one in document["not_tested"]]
    left_out = [step for step in document["steps"] if step["verdict"] == "not tested"]
    for step in left_out:
        said, name = reading.told(step["words"], words), words.named("steps", step["name"])
        items.append(Cell(f"{name}: {said.text}" if said.text else name, original=said.original))
    return items, document["not_tested_count"] + len(left_out)


def _steps(document: Document, words: Words) -> Section:
    rows = []
    for step in document["steps"]:
        took = "" if step["ms"] is None else amounts.duration(step["ms"], words)
        name = Cell(words.named("steps", step["name"]))
        said = reading.told(step["words"], words)
        at = Cell(step["at"][11:19], beneath=took)
        rows.append((at, name, Cell(step["who"]), reading.verdict(step["verdict"], words), said))
    return Section(
        words.say("sections", "steps"),
        heads=tuple(
            words.say("columns", name) for name in ("at", "step", "who", "verdict", "seen")
        ),
        widths=(0.7, 1.3, 1.0, 0.9, 2.1),
        rows=tuple(rows),
    )


def _things(document: Document, words: Words) -> Section | None:
    things = document.get("brought_back")
    if not things:
        return None
    return Section(
        words.say("sections", "things"),
        heads=tuple(words.say("columns", name) for name in ("thing", "count")),
        widths=(2.0, 1.0),
        rows=tuple(
            (
                Cell(words.named("things", one["name"])),
                Cell(amounts.number(one["count"], words), number=True),
            )
            for one in things
        ),
    )


def _skipped(document: Document, words: Words) -> Section | None:
    skipped = document.get("skipped")
    if not skipped:
        return None
    return Section(
        words.say("sections", "skipped"),
        told=(words.say("told", "skipped"),),
        items=tuple(reading.told(one, words) for one in skipped),
    )


def _about(document: Document, words: Words) -> Section:
    figures, scenario = document["figures"], document["kind"] == evidence.SCENARIO
    pairs = []
    if scenario:
        pairs.append(
            (
                "scenario",
                Cell(words.named("scenarios", document["scenario"]), beneath=document["scenario"]),
            )
        )
    else:
        given = words.say(
            "values", "shares", given=document["shares"], needed=document["threshold"]
        )
        pairs += [
            ("company", Cell(document["company"])),
            ("kit", Cell(document["kit"], code=True)),
            ("kit_issued_at", Cell(amounts.moment(document["kit_issued_at"]))),
            ("shares", Cell(given)),
            ("machine", Cell(document["machine"])),
            ("restored_version", Cell(document["restored_version"])),
            ("database", Cell(words.named("values", document["database"]))),
            ("seal", Cell(document["seal"])),
        ]
    pairs += [
        ("plan", Cell(document["plan"])),
        ("repository", Cell(document["repository"])),
        ("snapshot", Cell(document["snapshot"], code=True)),
    ]
    if not scenario:
        pairs.append(("snapshot_at", Cell(amounts.moment(document["snapshot_at"]))))
    data_at = figures["data_at"]
    pairs += [
        ("data_at", Cell(amounts.moment(data_at) if data_at else "")),
        ("files", Cell(amounts.number(figures["files"], words) if figures["files"] else "")),
        ("bytes", Cell(amounts.exact_size(figures["bytes"], words) if figures["bytes"] else "")),
        ("requested_by", Cell(document["requested_by"])),
        ("started_at", Cell(amounts.moment(document["started_at"]))),
        ("finished_at", Cell(amounts.moment(document["finished_at"]))),
        ("id", Cell(document["id"], code=True)),
        ("program", Cell(document["program"])),
    ]
    title = words.say("sections", "about" if scenario else "about_recovery")
    return Section(title, facts=reading.facts(pairs, words))
