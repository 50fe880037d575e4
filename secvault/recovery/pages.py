"""The kit as pages to print, HTML and PDF, in English and Vietnamese: the plan with its values.

Nothing that a kit says becomes markup; a page loads nothing and runs nothing. The sealed part is on
them as codes for a camera, so that paper alone is enough.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

from secvault.clock import moment
from secvault.recovery import codes
from secvault.recovery.kit import BESIDE, KitHead, KitPlan, KitRepository
from secvault.recovery.words import LANGUAGES, words

__all__ = ["FORMATS", "LANGUAGES", "kit_html", "kit_pdf"]

FORMATS: Mapping[str, str] = {"html": "text/html; charset=utf-8", "pdf": "application/pdf"}
"""The forms of the pages, and their media types."""
Say = Callable[..., str]


@dataclass(frozen=True)
class Fact:
    """code: set as written, to be typed or compared."""

    name: str
    value: str
    code: bool = False


@dataclass(frozen=True)
class Step:
    """One thing to do. commands: as they are typed."""

    title: str
    told: tuple[str, ...]
    commands: tuple[str, ...]
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True)
class Table:
    """Rows under heads; code: the columns that are set as written."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    code: tuple[int, ...] = ()


@dataclass(frozen=True)
class Section:
    """A part of the pages. drawn: SVG of codes, with their captions; only ever made here."""

    title: str
    told: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    tables: tuple[Table, ...] = ()
    facts: tuple[tuple[str, tuple[Fact, ...]], ...] = ()
    commands: tuple[str, ...] = ()
    drawn: tuple[tuple[str, str], ...] = ()
    new_page: bool = False


@dataclass(frozen=True)
class Pages:
    """What both forms show."""

    language: str
    title: str
    company: str
    under: str
    kit: str
    lead: tuple[str, ...]
    sections: tuple[Section, ...]
    page: str
    of: str


def kit_html(kit: bytes, head: KitHead, language: str) -> str:
    """One HTML page. kit: its file. Raises InvalidInput for another language."""
    environment = Environment(
        loader=PackageLoader("secvault.recovery"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("kit.html").render(pages=pages_of(kit, head, language))


def kit_pdf(kit: bytes, head: KitHead, language: str) -> bytes:
    """The same as a PDF in A4."""
    # Loaded when it is needed: it is large.
    import typst  # noqa: PLC0415

    template = resources.files("secvault.recovery") / "templates" / "kit.typ"
    data = json.dumps(asdict(pages_of(kit, head, language)), ensure_ascii=False)
    return bytes(
        typst.compile(template.read_bytes(), sys_inputs={"data": data}, ignore_system_fonts=True)
    )


def pages_of(kit: bytes, head: KitHead, language: str) -> Pages:
    """What both show. Raises InvalidInput for another language."""
    say = saying(language, head)
    under = say("frame", "issued", at=told_moment(head.issued_at))
    return Pages(
        language=language,
        title=say("frame", "kit"),
        company=head.company,
        under=under,
        kit=head.kit,
        lead=tuple(say("lead", name) for name in ("what", "keep", "stale")),
        sections=(
            _people(head, say),
            _plans(head, say),
            _steps(head, say, language),
            _repositories(head, say),
            _by_hand(say, language),
            _facts(head, say),
            _codes(kit, say),
        ),
        page=say("frame", "page"),
        of=say("frame", "of"),
    )


def saying(language: str, head: KitHead) -> Say:
    """How something is said in the language: `say("facts", "kit")`, values by their names."""
    known = words(language)
    usual = {
        "company": head.company,
        "threshold": head.shares.threshold,
        "shares": head.shares.shares,
        "version": head.version,
        "evidence_key": head.evidence_key,
        "beside": BESIDE,
    }

    def say(table: str, key: str, **values: object) -> str:
        return filled(str(known[table][key]), {**usual, **values})

    return say


def filled(text: str, values: Mapping[str, object]) -> str:
    """The text with its values, each put in once and not looked into."""
    parts = text.split("{")
    made = [parts[0]]
    for part in parts[1:]:
        name, _, rest = part.partition("}")
        made += [str(values[name]), rest]
    return "".join(made)


def told_moment(micros: int) -> str:
    """A moment for people, to the minute."""
    return f"{moment(micros):%Y-%m-%d %H:%M} UTC"


def _people(head: KitHead, say: Say) -> Section:
    of = head.shares
    rows = tuple(
        (
            str(number + 1),
            of.holders[number] if number < len(of.holders) else say("frame", "unknown"),
            of.checks[number],
        )
        for number in range(of.shares)
    )
    heads = tuple(say("heads", name) for name in ("number", "holder", "check"))
    contacts = head.contacts or (say("frame", "unknown"),)
    called = Table((say("sections", "contacts"),), tuple((one,) for one in contacts))
    return Section(say("sections", "holders"), tables=(Table(heads, rows, (2,)), called))


def _steps(head: KitHead, say: Say, language: str) -> Section:
    known = words(language)
    values = {
        "threshold": head.shares.threshold,
        "shares": head.shares.shares,
        "version": head.version,
        "evidence_key": head.evidence_key,
        "beside": BESIDE,
    }
    steps = []
    for one in known["steps"]:
        facts: tuple[Fact, ...] = ()
        if one["key"] == "credentials":
            facts = tuple(Fact(each.name, _credentials(each, say)) for each in head.repositories)
        steps.append(
            Step(
                filled(one["title"], values),
                tuple(filled(told, values) for told in one["told"]),
                tuple(filled(command, values) for command in one["commands"]),
                facts,
            )
        )
    return Section(say("sections", "steps"), steps=tuple(steps), new_page=True)


def _plans(head: KitHead, say: Say) -> Section:
    heads = tuple(
        say("heads", name) for name in ("order", "plan", "service", "sources", "from", "rpo", "rto")
    )
    rows = tuple(
        (
            str(number),
            plan.name,
            plan.service or "-",
            _holds(plan, say),
            ", ".join(plan.repositories),
            say("values", "hours", count=plan.rpo_hours),
            say("values", "minutes", count=plan.rto_minutes),
        )
        for number, plan in enumerate(head.plans, 1)
    )
    return Section(say("sections", "plans"), tables=(Table(heads, rows, (1,)),))


def _holds(plan: KitPlan, say: Say) -> str:
    own = (say("values", "vault"),) if plan.vault else ()
    return ", ".join((*own, *plan.sources)) or say("values", "files")


def _repositories(head: KitHead, say: Say) -> Section:
    facts = tuple((one.name, _repository(one, say)) for one in head.repositories)
    return Section(say("sections", "repositories"), facts=facts)


def _repository(one: KitRepository, say: Say) -> tuple[Fact, ...]:
    def fact(name: str, value: str, *, code: bool = False) -> Fact:
        return Fact(say("repository", name), value, code)

    made = [
        fact("location", one.location, code=True),
        fact("keys_location", one.keys_location, code=True),
    ]
    if one.needs_credentials:
        made += [
            fact("region", one.region, code=True),
            fact("addressing", say("repository", "path" if one.path_style else "dns")),
        ]
    made.append(fact("credentials", _credentials(one, say)))
    if one.access_key_id:
        made.append(fact("access_key_id", one.access_key_id, code=True))
    if one.ca_pem:
        made.append(fact("ca", say("repository", "ca_in_kit")))
    if one.identity:
        made += [
            fact("identity", one.identity, code=True),
            fact("keys_identity", one.keys_identity or "-", code=True),
            fact("kit_file", f"{one.location.rstrip('/')}/{BESIDE}", code=True),
        ]
    else:
        made.append(fact("identity", say("repository", "not_made")))
    return tuple(made)


def _credentials(one: KitRepository, say: Say) -> str:
    if one.credentials:
        return one.credentials
    return say("repository", "ask" if one.needs_credentials else "no_credentials")


def _by_hand(say: Say, language: str) -> Section:
    known = words(language)["by_hand"]
    return Section(
        say("sections", "by_hand"), told=tuple(known["told"]), commands=tuple(known["commands"])
    )


def _facts(head: KitHead, say: Say) -> Section:
    log_keys = [one for one in head.audit_keys if one != head.evidence_key]
    values = (
        Fact(say("facts", "kit"), head.kit, code=True),
        Fact(say("facts", "digest"), head.digest, code=True),
        Fact(say("facts", "company"), head.company),
        Fact(say("facts", "issued"), told_moment(head.issued_at)),
        Fact(say("facts", "version"), f"secvault {head.version}"),
        Fact(say("facts", "database"), head.database),
        Fact(say("facts", "schema"), head.schema),
        Fact(say("facts", "seal"), head.seal),
        Fact(say("facts", "set"), str(head.shares.set_id)),
        Fact(say("facts", "origin"), head.origin, code=True),
        *(Fact(say("facts", "audit_keys"), one, code=True) for one in log_keys),
        Fact(say("facts", "evidence_key"), head.evidence_key, code=True),
    )
    return Section(say("sections", "facts"), facts=(("", values),))


def _codes(kit: bytes, say: Say) -> Section:
    made = codes.lines(kit)
    known = tuple(
        (codes.drawn(line), say("codes", "caption", number=number, count=len(made)))
        for number, line in enumerate(made, 1)
    )
    return Section(
        say("sections", "codes"),
        told=(say("codes", "told", count=len(made)),),
        drawn=known,
        new_page=True,
    )
