"""The evidence of a recovery as files, in every form that people and programs read it in."""

from __future__ import annotations

import json
from pathlib import Path

from secvault.backup.drills import evidence, pages
from secvault.crypto.evidence import SignedEvidence
from secvault.errors import BackupFailed


def write(folder: Path, signed: SignedEvidence) -> tuple[Path, ...]:
    """Write the document, its signature, and reports in English and Vietnamese; the document first.

    Raises BackupFailed.
    """
    document = json.loads(signed.document)
    note, stem = signed.note.decode(), evidence.stem_of(document)
    contents: dict[str, bytes] = {".json": signed.document, ".note": signed.note}
    for language in pages.LANGUAGES:
        contents[f".{language}.html"] = pages.html_page(document, note, language).encode()
        contents[f".{language}.pdf"] = pages.pdf_page(document, note, language)
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for ending, content in contents.items():
            file = folder / f"{stem}{ending}"
            file.write_bytes(content)
            written.append(file)
    except OSError as error:
        raise BackupFailed(
            f"it is done and signed, but not written to {folder}: {error.strerror}"
        ) from None
    return tuple(written)
