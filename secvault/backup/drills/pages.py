"""Reports for people from signed documents, as HTML and as PDF, in English and Vietnamese.

Nothing that a document tells becomes markup; a page loads nothing and runs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from secvault.backup.drills import drill_page, evidence, exercise_page, first_page
from secvault.backup.drills.amounts import moment
from secvault.backup.drills.page import Cell, Page, Section
from secvault.backup.drills.reading import Document
from secvault.backup.drills.words import LANGUAGES, Words, load
from secvault.crypto.canonical import JsonValue, canonical_json
from secvault.errors import InvalidInput

__all__ = ["FORMATS", "LANGUAGES", "html_page", "page_of", "pdf_page"]

FORMATS: Mapping[str, str] = {"html": "text/html; charset=utf-8", "pdf": "application/pdf"}
"""The forms of a report, and their media types."""

_PACKAGE = "secvault.backup.drills"
_MODULES = {
    (evidence.DRILL, 1): first_page,
    (evidence.DRILL, 2): drill_page,
    (evidence.SCENARIO, 1): exercise_page,
    (evidence.REHEARSAL, 1): exercise_page,
    (evidence.RECOVERY, 1): exercise_page,
}


def html_page(document: Mapping[str, JsonValue], note: str, language: str) -> str:
    """The whole HTML page, self-contained. document: verified evidence. note: its signed note.

    Raises InvalidInput for another language, or evidence of something else.
    """
    words = load(language)
    page = page_of(document, note, words)
    return _template().render(page=page)


def pdf_page(document: Mapping[str, JsonValue], note: str, language: str) -> bytes:
    """The same as a PDF in A4. Raises as `html_page`."""
    # Loaded when it is needed: it is large.
    import typst  # noqa: PLC0415

    words = load(language)
    page = page_of(document, note, words)
    template = resources.files(_PACKAGE) / "templates" / "report.typ"
    data = {
        "page": asdict(page),
        "sheet": words.say("frame", "sheet"),
        "of": words.say("frame", "of"),
        "original": words.say("told", "original"),
    }
    return bytes(
        typst.compile(
            template.read_bytes(),
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
            ignore_system_fonts=True,
        )
    )


@cache
def _template() -> Template:
    # Compiling it takes longer than a page does.
    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


def page_of(document: Mapping[str, JsonValue], note: str, words: Words) -> Page:
    """What both show. Raises InvalidInput for evidence of something else."""
    kind, version = document.get("kind"), document.get("version")
    module = _MODULES.get((kind, version))  # type: ignore[arg-type]
    if module is None:
        raise InvalidInput("this evidence is of no drill or recovery that this program can show")
    told: Document = document
    tone, leads = module.leads(told, words)
    digest = sha256(canonical_json(dict(document))).hexdigest()
    stem = evidence.stem_of(told)
    return Page(
        language=words.language,
        title=words.say("titles", str(kind)),
        under=_under(told, words),
        id=told["id"],
        made_at=moment(told["finished_at"]),
        tone=tone,
        leads=leads,
        measures=module.measures(told, words),
        sections=module.sections(told, words),
        signature=_signature(digest, note, words),
        checks=(
            f"secvault drill verify --document {stem}.json --key VKEY",
            f"python3 verify.py {stem}.json --key VKEY",
        ),
        note=note,
    )


def _under(document: Document, words: Words) -> str:
    """What it is of, and when it was."""
    if document["kind"] == evidence.SCENARIO:
        about = words.named("scenarios", document["scenario"])
    elif document["kind"] == evidence.DRILL:
        about = f"{words.say('about', 'plan')} {document['plan']}"
    else:
        about = document["company"]
    return f"{about} · {moment(document['finished_at'])}"


def _signature(digest: str, note: str, words: Words) -> Section:
    said = "signature" if note else "signature_missing"
    return Section(
        words.say("sections", "signature"),
        told=(words.say("told", said),),
        facts=((words.say("about", "sha256"), Cell(digest, code=True)),),
    )
