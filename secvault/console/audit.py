"""The log for its readers: pages of events, and one event in words with the proof that it is there.

What is personal is shown as far as the reader may see it, names of people likewise. Reading is
itself in the log, as everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Path, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.audit.event import OUTCOME_OF_CONDITION, Event
from secvault.audit.facts import Fact
from secvault.audit.leaf import StoredEvent
from secvault.audit.questions.cells import MOMENTS
from secvault.console.audit_chart import HEIGHT, WIDTH, bars, edges_of
from secvault.console.audit_details import detail_word
from secvault.console.audit_kinds import FAMILIES
from secvault.console.audit_view import PARTS, PATH, Number, View, Viewed, audit_page
from secvault.console.language import Language, language_of
from secvault.console.menu import menu
from secvault.console.page import elsewhere
from secvault.console.record_words import titled
from secvault.console.visitor import Visiting, Visitor
from secvault.console.zone import in_link, zone_of
from secvault.crypto.merkle import inclusion_ranges
from secvault.errors import Conflict, Damaged, InvalidInput, NotFound
from secvault.service import (
    audit_log,
    audit_names,
    audit_proofs,
    audit_questions,
    audit_standing,
    explanations,
)
from secvault.service.audit_log import Events
from secvault.service.audit_personal import Seen
from secvault.service.audit_proofs import CheckedInclusion
from secvault.service.explanations import Explained

router = Routes(include_in_schema=False)

PER_PAGE = 50
_HOUR = 3_600 * 1_000_000
_SPANS = (("day", 24), ("week", 7 * 24), ("month", 30 * 24))
_CONDITIONS = {number: word for word, number in OUTCOME_OF_CONDITION.items()}

Seq = Annotated[int, Path(ge=0, le=2**53 - 1)]


@dataclass(frozen=True)
class Line:
    """An event as it is shown. who: the name of who did it, as far as the reader may know it, else
    the id. whence: the address or network. reason: what was written about why, None when that was
    changed in the store.
    """

    stored: StoredEvent
    who: str
    whence: str
    reason: str | None
    seen: Seen | None

    @property
    def seq(self) -> int:
        """Its number in the log."""
        return self.stored.seq


@dataclass(frozen=True)
class Told:
    """A fact of an event. name: as the log has it; title: a message. moment: whether it is one, in
    micros. called: of the subject that it names, empty where that is not known.
    """

    name: str
    title: str
    value: Fact
    moment: bool
    called: str


@dataclass(frozen=True)
class Step:
    """A hash of the proof. left: whether it stands before what is known. first, last: the events
    that it is over.
    """

    left: bool
    first: int
    last: int
    hash: str


@router.get(PATH)
@operation(
    "it/audit",
    "audit.read",
    "audit.personal",
    "record.history",
    "person.read",
    "audit.keep_question",
)
def events(
    request: Request, at: Visiting, viewed: Viewed, after: Number = None, before: Number = None
) -> Response:
    """A page of the log, newest first, with how much was recorded when."""
    open_to_them = menu(at, PARTS)
    if open_to_them and open_to_them[0].path != PATH:
        # Whoever may verify the log, but not read it.
        return elsewhere(open_to_them[0].path)
    try:
        question = viewed.question(at)
        found = audit_log.read_events(at.service, at.caller, question, after, PER_PAGE, before)
    except InvalidInput as error:
        return _shown(request, at, viewed, problem=error.detail, status=error.status)
    timeline = None
    if after is None and before is None:
        edges = edges_of(
            question.since, question.until, at.service.clock.micros(), zone_of(request)
        )
        timeline = audit_standing.read_timeline(at.service, at.caller, edges, question)
    return _shown(
        request,
        at,
        viewed,
        lines=lines(at, found),
        timeline=timeline,
        bars=bars(timeline) if timeline else (),
        older=None if found.next is None else viewed.url(after=found.next),
        newer=None if found.previous is None else viewed.url(before=found.previous),
        first=after is None and before is None,
    )


@router.get(f"{PATH}/events/{{seq}}")
@operation(
    "it/audit",
    "audit.read",
    "audit.personal",
    "record.history",
    "person.read",
    "audit.verify",
    "access.explain",
    "access.own",
)
def event(request: Request, at: Visiting, seq: Seq, *, why: bool = False) -> Response:
    """One event in words, and the proof that the log has it, checked. why: explain its decision."""
    found = audit_log.read_event(at.service, at.caller, seq)
    (line,) = lines(at, found)
    proof, damage = _proof(at, seq)
    may_explain = at.may(explanations.EXPLAIN) and _decision(line.stored) != ""
    explained, unexplained = _explained(at, line.stored) if why and may_explain else (None, "")
    note = line.stored.event.decision
    return audit_page(
        request,
        at,
        "event.html",
        line=line,
        event=line.stored.event,
        note=note,
        facts=_facts(at, line.stored.event.detail),
        fields=_fields(at, line.stored.event, language_of(request)),
        conditions=[(one, _CONDITIONS[code]) for one, code in note.conditions] if note else [],
        alike=View(what=line.stored.event.kind).url(),
        of_actor=View(who=line.stored.event.actor.subject).url(),
        of_resource=View(on=line.stored.event.resource).url(),
        proof=proof,
        damage=damage,
        steps=_steps(proof) if proof else (),
        may_have_key=at.may(audit_log.VERIFY),
        may_explain=may_explain,
        explained=explained,
        unexplained=unexplained,
    )


@router.get(f"{PATH}/events/{{seq}}/proof")
@operation("it/audit", "audit.read")
def event_proof(at: Visiting, seq: Seq) -> Response:
    """The proof as a file, as `secvault audit prove` writes it and `audit check` reads it."""
    found = audit_proofs.prove_event(at.service, at.caller, seq)
    document = {"entry": found.entry.decode(), "proof": found.format()}
    return Response(
        json.dumps(document, indent=2, ensure_ascii=False) + "\n",
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="event-{seq}.json"'},
    )


def lines(at: Visitor, found: Events) -> tuple[Line, ...]:
    """The events as they are shown to this visitor."""
    subjects = {stored.event.actor.subject for stored in found.events}
    names = audit_names.names_for(at.service, at.caller, subjects)
    return tuple(_line(stored, found, names) for stored in found.events)


def _line(stored: StoredEvent, found: Events, names: Mapping[str, str]) -> Line:
    subject = stored.event.actor.subject
    seen = found.personal.get(stored.id)
    named = names.get(subject, subject)
    if named == subject and seen is not None and seen.name:
        named = seen.name
    whence = seen.address if seen is not None and seen.address else stored.event.network
    written = found.reasons.get(stored.id, "")
    reason = written or (seen.reason if seen is not None else "") if written is not None else None
    return Line(stored, named, whence, reason, seen)


def _facts(at: Visitor, detail: Mapping[str, Fact]) -> Iterable[Told]:
    subjects = {
        name: f"user:{value}" if name == "person" else value
        for name, value in detail.items()
        if isinstance(value, str)
    }
    names = audit_names.names_for(at.service, at.caller, subjects.values())
    return [
        Told(
            name,
            detail_word(name),
            value,
            name in MOMENTS and type(value) is int,
            names.get(subjects.get(name, ""), ""),
        )
        for name, value in detail.items()
    ]


def _fields(at: Visitor, event: Event, language: Language) -> tuple[str, ...]:
    """The titles of an event's fields, as their collection has them now; else their names."""
    found = next((c for c in event.resource.split("/")[1:2] if c in at.service.collections), None)
    known = at.service.collections[found].fields if found else {}
    return tuple(
        titled(known[name].title, language) if name in known else name for name in event.fields
    )


def _shown(
    request: Request,
    at: Visitor,
    viewed: View,
    *,
    lines: Iterable[Line] = (),
    problem: str = "",
    **more: object,
) -> Response:
    now = at.service.clock.micros()
    values: dict[str, object] = {
        "timeline": None,
        "bars": (),
        "older": None,
        "newer": None,
        "first": True,
        "problem": problem,
        "lines": tuple(lines),
        "view": viewed,
        "families": FAMILIES,
        "may_keep": at.may(audit_questions.KEEP),
        "spans": [
            (name, viewed.with_(since=in_link(now - hours * _HOUR), until="").url())
            for name, hours in _SPANS
        ],
        "filtered": viewed != View(),
        "everything": viewed.with_(since="", until="").url(),
        "width": WIDTH,
        "height": HEIGHT,
    }
    return audit_page(request, at, "events.html", **{**values, **more})


def _proof(at: Visitor, seq: int) -> tuple[CheckedInclusion | None, str]:
    """The proof; where there is none, what is wrong with the log."""
    try:
        return audit_proofs.prove_event_checked(at.service, at.caller, seq), ""
    except Damaged as error:
        return None, error.detail


def _steps(proof: CheckedInclusion) -> Iterable[Step]:
    index = proof.proof.seq
    ranges = inclusion_ranges(index, proof.checkpoint.size)
    return [
        Step(stop <= index, start, stop - 1, found.hex())
        for (start, stop), found in zip(ranges, proof.proof.hashes, strict=True)
    ]


def _decision(stored: StoredEvent) -> str:
    return stored.event.decision.id if stored.event.decision else ""


def _explained(at: Visitor, stored: StoredEvent) -> tuple[Explained | None, str]:
    """The decision explained; else why it cannot be."""
    try:
        return explanations.explain_decision(at.service, at.caller, _decision(stored)), ""
    except (NotFound, Conflict, InvalidInput) as error:
        return None, error.detail
