"""The page of a restore drill, from its signed document of version 2."""

from __future__ import annotations

from datetime import datetime

from secvault.backup.drills import amounts, reading
from secvault.backup.drills.page import Bar, Cell, Chart, Measure, Section, Tone
from secvault.backup.drills.reading import Document
from secvault.backup.drills.trend import Point, in_words, trend
from secvault.backup.drills.words import Words
from secvault.clock import micros_of

_BYTES = frozenset({"bytes-compared"})
"""Facts that are sizes."""
_MILLISECONDS = frozenset({"started-in-ms"})
_VALUES = frozenset({"root-from"})
"""Facts whose values have words of their own."""
_TRENDED = 12
"""Drills that the table of the trend shows."""


def leads(document: Document, words: Words) -> tuple[Tone, tuple[str, ...]]:
    """The verdict, and what must be known with it."""
    failed = any(level["verdict"] == "failed" for level in document["levels"])
    verdict = "drill_failed" if failed else "drill_nothing"
    said = [words.say("leads", "drill_passed" if document["passed"] else verdict)]
    found = sum(level["fault_count"] for level in document["levels"])
    if found:
        first = next(level["faults"][0] for level in document["levels"] if level["faults"])
        named = words.named("faults", first["code"])
        said.append(words.say("leads", "faults", count=amounts.number(found, words), first=named))
    said += reading.missed_targets(_judged(document["figures"]), words)
    _, left_open = _open(document, words)
    if left_open:
        said.append(words.say("leads", "open", count=amounts.number(left_open, words)))
    return "good" if document["passed"] else "bad", tuple(said)


def measures(document: Document, words: Words) -> tuple[Measure, ...]:
    """RPO and RTO against their targets, and what else is read first."""
    figures, estimate = document["figures"], document["figures"]["estimate"]
    passed = document["passed"]
    label = "rto" if passed else "rto_failed"
    if estimate is None:
        shown = reading.recovery_measures(figures, words, rto_label=label, passed=passed)
    else:
        shown = reading.recovery_measures(
            {**figures, "rto_ms": None}, words, rto_label=label, passed=passed
        )
        shown.append(_estimated(figures, words, passed=passed))
        took = amounts.duration(figures["rto_ms"], words)
        shown.append(Measure(took, words.say("measures", "rto_sample")))
    shown += reading.lost_measure(figures, words)
    if figures["bytes_per_second"]:
        speed = amounts.size(figures["bytes_per_second"], words)
        shown.append(Measure(speed, words.say("measures", "speed")))
    return tuple(shown)


def sections(document: Document, words: Words) -> tuple[Section, ...]:
    """What was wrong, tested, not tested, measured."""
    found = [(level["name"], fault) for level in document["levels"] for fault in level["faults"]]
    count = sum(level["fault_count"] for level in document["levels"])
    items, left_open = _open(document, words)
    shown = (
        reading.faults(found, count, words),
        _levels(document, words),
        reading.not_tested(items, left_open, words, "always_open"),
        _sample(document, words),
        reading.phases(document["figures"], words),
        _trend(document, words),
        _about(document, words),
    )
    return tuple(section for section in shown if section is not None)


def _judged(figures: Document) -> Document:
    """Of a sample, what is held against the target is the time that the whole would take."""
    estimate = figures["estimate"]
    return figures if estimate is None else {**figures, "rto_ms": estimate["ms"]}


def _estimated(figures: Document, words: Words, *, passed: bool) -> Measure:
    estimate = figures["estimate"]
    (judged,) = reading.recovery_measures(
        {**figures, "rpo_ms": None, "rto_ms": estimate["ms"]},
        words,
        rto_label="rto",
        passed=passed,
    ) or [Measure("?", "")]
    low = amounts.duration(estimate["low_ms"] or 0, words)
    if estimate["high_ms"] is None:
        label = words.say("measures", "estimate_open", low=low)
    else:
        high = amounts.duration(estimate["high_ms"], words)
        label = words.say("measures", "estimate", low=low, high=high)
    return Measure(f"≈ {judged.value}", label, judged.target, judged.tone)


def _levels(document: Document, words: Words) -> Section:
    rows = []
    for level in document["levels"]:
        name = Cell(
            words.named("levels", level["name"]), beneath=words.named("proofs", level["name"])
        )
        tested = level["verdict"] != "not tested"
        took = amounts.duration(level["ms"], words) if tested and level["ms"] is not None else ""
        seen = "; ".join(_fact(fact, words) for fact in level["facts"] if _matters(fact))
        rows.append(
            (name, reading.verdict(level["verdict"], words), Cell(took, number=True), Cell(seen))
        )
    return Section(
        words.say("sections", "levels"),
        heads=tuple(words.say("columns", name) for name in ("level", "verdict", "time", "seen")),
        widths=(1.5, 0.9, 0.7, 2.0),
        rows=tuple(rows),
    )


def _matters(fact: Document) -> bool:
    """Whether it says something: nothing left out is what one expects."""
    return bool(fact["value"]) or not fact["name"].startswith("records-left-out")


def _fact(fact: Document, words: Words) -> str:
    name, value = fact["name"], fact["value"]
    said = words.named("facts", name)
    if name in _BYTES:
        return f"{said}: {amounts.size(value, words)}"
    if name in _MILLISECONDS:
        return f"{said}: {amounts.duration(value, words)}"
    if isinstance(value, int):
        return f"{said}: {amounts.number(value, words)}"
    return f"{said}: {words.named('values', value) if name in _VALUES else words.told(value)}"


def _open(document: Document, words: Words) -> tuple[list[Cell], int]:
    """Each thing that was left open, and how many there are."""
    items, count = [], 0
    for level in document["levels"]:
        name = words.named("levels", level["name"])
        for sentence in level["not_tested"]:
            said = reading.told(sentence, words)
            items.append(Cell(f"{name}: {said.text}", original=said.original))
        count += level["not_tested_count"]
        if level["verdict"] == "not tested" and not level["not_tested_count"]:
            items.append(Cell(words.say("told", "level_off", level=name)))
            count += 1
    return items, count


def _sample(document: Document, words: Words) -> Section | None:
    sample = document["figures"]["sample"]
    if sample is None:
        return None
    if sample["size"] >= sample["population"]:
        whole = amounts.number(sample["population"], words)
        told = words.say("told", "sample_whole", population=whole)
    else:
        told = words.say(
            "told",
            "sample",
            size=amounts.number(sample["size"], words),
            population=amounts.number(sample["population"], words),
            found=amounts.number(sample["found"], words),
            rate=amounts.percent(sample["rate"], words),
            confidence=amounts.percent(sample["confidence"], words),
            upper=amounts.percent(sample["upper_rate"], words),
        )
    return Section(words.say("sections", "sample"), told=(told,))


def _trend(document: Document, words: Words) -> Section:
    title, figures = words.say("sections", "trend"), document["figures"]
    judged = _judged(figures)
    drills = [
        *document["earlier"],
        {
            "id": document["id"],
            "started_at": document["started_at"],
            "passed": document["passed"],
            "rpo_ms": figures["rpo_ms"],
            "rto_ms": judged["rto_ms"],
            "bytes_per_second": figures["bytes_per_second"],
        },
    ]
    measured = [one for one in drills if one["rto_ms"] is not None]
    if len(measured) < 2:
        return Section(title, told=(words.say("told", "trend_none"),))
    target = figures["rto_target_ms"]
    chart = _chart(measured, target)
    told = [words.say("told", "trend")]
    if chart.target is not None:
        told.append(words.say("told", "trend_line"))
    # How long one took that broke off says nothing of how long a recovery takes.
    whole = [one for one in measured if one["passed"]]
    return Section(
        title,
        told=tuple(filter(None, (" ".join(told), _course(whole, target, words)))),
        chart=chart,
        heads=tuple(
            words.say("columns", name) for name in ("started", "verdict", "rto", "rpo", "speed")
        ),
        widths=(1.6, 1.2, 1.0, 1.0, 1.0),
        rows=tuple(_earlier(one, words) for one in reversed(drills[-_TRENDED:])),
    )


def _earlier(one: Document, words: Words) -> tuple[Cell, ...]:
    spent = [
        Cell("" if one[name] is None else amounts.duration(one[name], words), number=True)
        for name in ("rto_ms", "rpo_ms")
    ]
    speed = one["bytes_per_second"]
    return (
        Cell(amounts.moment(one["started_at"])),
        reading.verdict("passed" if one["passed"] else "failed", words, whole=True),
        *spent,
        Cell(amounts.size(speed, words) if speed else "", number=True),
    )


def _chart(drills: list[Document], target: int) -> Chart:
    highest = max(one["rto_ms"] for one in drills)
    # A target far above would press all bars flat; it is said in words anyway.
    shown = target if 0 < target <= 3 * highest else 0
    top = max(highest, shown, 1)
    return Chart(
        bars=tuple(Bar(one["rto_ms"] / top, "good" if one["passed"] else "bad") for one in drills),
        target=shown / top if shown else None,
    )


def _course(drills: list[Document], target: int, words: Words) -> str:
    """Where the recovery time goes, and by how much a month where that is more than chance."""
    points = [
        Point(micros_of(datetime.fromisoformat(one["started_at"])), one["rto_ms"]) for one in drills
    ]
    found = trend(points, target or None)
    if found is None:
        return ""
    said = words.say("told", "trend_course", course=in_words(found, words.language))
    if found.direction not in ("rising", "falling") or found.per_month is None:
        return said
    change = amounts.duration(int(abs(found.per_month)), words)
    return f"{said} {words.say('told', 'trend_month', change=change)}"


def _about(document: Document, words: Words) -> Section:
    figures = document["figures"]
    pairs = (
        ("plan", Cell(document["plan"])),
        ("repository", Cell(document["repository"])),
        ("snapshot", Cell(document["snapshot"], code=True)),
        ("snapshot_at", Cell(amounts.moment(document["snapshot_at"]))),
        ("chosen", Cell(words.named("values", document["chosen"]))),
        ("extent", Cell(words.named("values", document["extent"]))),
        ("data_at", Cell(amounts.moment(figures["data_at"]))),
        ("files", Cell(amounts.number(figures["files"], words))),
        ("bytes", Cell(amounts.exact_size(figures["bytes"], words))),
        ("scratch_announced", Cell(amounts.exact_size(figures["scratch_announced"], words))),
        ("scratch_used", Cell(amounts.exact_size(figures["scratch_used"], words))),
        ("requested_by", Cell(document["requested_by"])),
        ("started_at", Cell(amounts.moment(document["started_at"]))),
        ("finished_at", Cell(amounts.moment(document["finished_at"]))),
        ("id", Cell(document["id"], code=True)),
        ("program", Cell(document["program"])),
    )
    return Section(words.say("sections", "about"), facts=reading.facts(pairs, words))
