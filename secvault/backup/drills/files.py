"""The files of evidence: the document, its note, the pages; and the program that verifies them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from secvault.audit import verify_export
from secvault.backup.drills import evidence, pages
from secvault.backup.drills.words import LANGUAGES
from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput

VERIFIER = "verify.py"
"""What the program that verifies evidence is called beside it; it needs Python and nothing else."""


@dataclass(frozen=True)
class Report:
    """A report to hand out. name: of its file."""

    content: bytes
    media_type: str
    name: str


def report_of(document: Mapping[str, JsonValue], note: bytes, form: str, language: str) -> Report:
    """The report on verified evidence. form: of `pages.FORMATS`. Raises InvalidInput."""
    if form not in pages.FORMATS:
        raise InvalidInput.at("format", f"use one of {', '.join(pages.FORMATS)}")
    if form == "pdf":
        content = pages.pdf_page(document, note.decode(), language)
    else:
        content = pages.html_page(document, note.decode(), language).encode()
    name = f"{evidence.stem_of(document)}.{language}.{form}"
    return Report(content, pages.FORMATS[form], name)


def names(document: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """What `write` writes: the document, the note, the pages in each language."""
    stem = evidence.stem_of(document)
    return tuple(
        f"{stem}{ending}"
        for ending in (".json", ".note", *(f".{language}.html" for language in LANGUAGES))
    )


def write(
    folder: Path, document: bytes, note: bytes, verified: Mapping[str, JsonValue]
) -> tuple[Path, ...]:
    """Write document, note and HTML pages, each whole or not at all, and the verifier beside them.

    PDF is made when it is asked for: it takes longer than all of these. Raises OSError.
    """
    texts = [pages.html_page(verified, note.decode(), language).encode() for language in LANGUAGES]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _put(folder / VERIFIER, Path(verify_export.__file__).read_bytes())
    files = tuple(folder / name for name in names(verified))
    for file, content in zip(files, (document, note, *texts), strict=True):
        _put(file, content)
    return files


def _put(file: Path, content: bytes) -> None:
    beside = file.with_name(f".{file.name}.new")
    beside.write_bytes(content)
    beside.replace(file)
