"""Parts of the signed documents as pages show them, whatever the document is of.

A document was verified before, so that its parts are what this program once wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from secvault.backup.drills import amounts
from secvault.backup.drills.page import Cell, Measure, Section, Tone
from secvault.backup.drills.words import Words

Document: TypeAlias = Mapping[str, Any]

MOST_SHOWN = 60
"""Faults, and things not tested, on a page; the document has more."""

TONES: Mapping[str, Tone] = {"passed": "good", "failed": "bad", "not tested": "open"}
SIGNS: Mapping[Tone, str] = {"good": "✓", "bad": "✗", "open": "–", "": ""}
_KEPT: tuple[str, Tone] = ("target_kept", "good")
_MISSED: tuple[str, Tone] = ("target_missed", "bad")
_NOT_PROVEN: tuple[str, Tone] = ("target_open", "open")
PHASES = ("open", "fetch", "restore", "load", "start", "verify")
"""The steps of a drill, in their order; which of them it has depends on what it restores."""


def verdict(said: str, words: Words, *, whole: bool = False) -> Cell:
    """A verdict with its sign; whole: on a drill, and not on a part of one."""
    tone = TONES[said]
    return Cell(
        f"{SIGNS[tone]} {words.say('verdicts', f'whole_{said}' if whole else said)}", tone=tone
    )


def told(sentence: str, words: Words, *, beneath: str = "") -> Cell:
    """What the program wrote, in the page's language where it is known there."""
    said = words.told(sentence)
    original = words.language != "en" and said == sentence and any(map(str.isalpha, said))
    return Cell(said, beneath=beneath, original=original)


def faults(found: Sequence[tuple[str, Document]], count: int, words: Words) -> Section | None:
    """What is wrong, with the level that found it (empty for none); None where nothing is."""
    if not found:
        return None
    shown = found[:MOST_SHOWN]
    rows = []
    for level, fault in shown:
        name = words.named("levels", level) if level else ""
        kind = Cell(words.named("faults", fault["code"]), beneath=fault["code"], tone="bad")
        place = words.told(fault["where"])
        where = Cell(place, code=place == fault["where"])
        rows.append((kind, where, told(fault["words"], words, beneath=name)))
    more = count - len(shown)
    return Section(
        words.say("sections", "faults"),
        told=(words.say("told", "faults"),),
        heads=tuple(words.say("columns", name) for name in ("fault", "where", "words")),
        widths=(1.2, 1.0, 1.5),
        rows=tuple(rows),
        after=(words.say("told", "more_faults", count=amounts.number(more, words)),)
        if more > 0
        else (),
    )


def not_tested(items: Sequence[Cell], count: int, words: Words, always: str) -> Section:
    """What was left open, and what is left open every time."""
    shown = tuple(items[:MOST_SHOWN])
    more = count - len(items)
    return Section(
        words.say("sections", "open"),
        told=() if count else (words.say("told", "all_tested"),),
        items=(*shown, Cell(words.say("told", always))),
        after=(words.say("told", "more_open", count=amounts.number(more, words)),)
        if more > 0
        else (),
    )


def phases(figures: Document, words: Words) -> Section | None:
    """The recovery time, phase by phase; None where none was measured."""
    took = {name: figures["phases"][name] for name in PHASES if figures["phases"].get(name)}
    whole = sum(took.values())
    if not whole:
        return None
    rows = tuple(
        (
            Cell(words.say("phases", name)),
            Cell(amounts.duration(spent, words), number=True),
            Cell(amounts.percent(f"{spent / whole:.2f}", words), number=True),
        )
        for name, spent in took.items()
    )
    return Section(
        words.say("sections", "phases"),
        heads=tuple(words.say("columns", name) for name in ("phase", "time", "share")),
        widths=(2.4, 1.0, 1.0),
        rows=rows,
    )


def recovery_measures(
    figures: Document, words: Words, *, rto_label: str, passed: bool
) -> list[Measure]:
    """RPO and RTO against their targets, which nothing proves to be kept where it did not pass."""
    measures = []
    for name, label in (("rpo", "rpo"), ("rto", rto_label)):
        spent, target = figures[f"{name}_ms"], figures[f"{name}_target_ms"]
        if spent is not None:
            measures.append(
                Measure(
                    amounts.duration(spent, words),
                    words.say("measures", label),
                    *_against(spent, target, words, passed=passed),
                )
            )
    return measures


def lost_measure(figures: Document, words: Words) -> list[Measure]:
    """Audited operations after the backup, where they were counted."""
    lost = figures["audit_entries_lost"]
    if lost is None:
        return []
    return [Measure(amounts.number(lost, words), words.say("measures", "lost"))]


def missed_targets(figures: Document, words: Words) -> list[str]:
    """In words, each target that was not kept."""
    return [
        words.say(
            "leads",
            f"{name}_missed",
            time=amounts.duration(spent, words),
            target=amounts.duration(target, words),
        )
        for name in ("rto", "rpo")
        if (spent := figures[f"{name}_ms"]) is not None
        and (target := figures[f"{name}_target_ms"])
        and spent > target
    ]


def facts(pairs: Sequence[tuple[str, Cell]], words: Words) -> tuple[tuple[str, Cell], ...]:
    """Named values; what is empty is left out."""
    return tuple((words.say("about", name), cell) for name, cell in pairs if cell.text)


def _against(spent: int, target: int, words: Words, *, passed: bool) -> tuple[str, Tone]:
    if not target:
        return words.say("measures", "no_target"), ""
    word, tone = _KEPT if passed else _NOT_PROVEN
    if spent > target:
        word, tone = _MISSED
    return words.say("measures", word, target=amounts.duration(target, words)), tone
