"""The page of a restore drill of version 1, from before drills had levels."""

from __future__ import annotations

from secvault.backup.drills import amounts, reading
from secvault.backup.drills.page import Cell, Measure, Section, Tone
from secvault.backup.drills.reading import Document
from secvault.backup.drills.words import Words


def leads(document: Document, words: Words) -> tuple[Tone, tuple[str, ...]]:
    """The verdict, and which steps did not pass."""
    passed = document["passed"]
    said = [words.say("leads", "drill_passed" if passed else "drill_failed")]
    failed = [step for step in document["steps"] if not step["passed"]]
    if failed:
        first = words.named("version1", failed[0]["name"])
        said.append(words.say("leads", "failed_steps", count=len(failed), first=first))
    return "good" if passed else "bad", tuple(said)


def measures(document: Document, words: Words) -> tuple[Measure, ...]:
    """RPO, RTO and what would be lost; it held them against no target."""
    shown = [
        Measure(amounts.duration(document[f"{name}_ms"], words), words.say("measures", name))
        for name in ("rpo", "rto")
    ]
    lost = {"audit_entries_lost": document["audit_events_lost"]}
    return (*shown, *reading.lost_measure(lost, words))


def sections(document: Document, words: Words) -> tuple[Section, ...]:
    """The steps, and what was restored."""
    rows = tuple(
        (
            Cell(words.named("version1", step["name"])),
            reading.verdict("passed" if step["passed"] else "failed", words),
            reading.told(step["finding"], words),
        )
        for step in document["steps"]
    )
    tested = Section(
        words.say("sections", "levels"),
        heads=tuple(words.say("columns", name) for name in ("step", "verdict", "seen")),
        widths=(1.2, 0.9, 2.4),
        rows=rows,
    )
    pairs = (
        ("plan", Cell(document["plan"])),
        ("repository", Cell(document["repository"])),
        ("snapshot", Cell(document["snapshot"], code=True)),
        ("data_at", Cell(amounts.moment(document["data_at"]))),
        ("files", Cell(amounts.number(document["files"], words))),
        ("bytes", Cell(amounts.exact_size(document["bytes"], words))),
        ("requested_by", Cell(document["requested_by"])),
        ("started_at", Cell(amounts.moment(document["started_at"]))),
        ("finished_at", Cell(amounts.moment(document["finished_at"]))),
        ("id", Cell(document["id"], code=True)),
    )
    about = Section(words.say("sections", "about"), facts=reading.facts(pairs, words))
    return tested, about
