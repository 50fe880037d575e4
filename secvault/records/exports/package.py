"""A zip with the exported file, its manifest, and the signed note over the manifest."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from secvault.crypto.evidence import SignedEvidence
from secvault.records.exports.manifest import MANIFEST, NOTE
from secvault.tabular.outflow import Outflow
from secvault.tabular.writer import Format

_MODE = 0o600 << 16


def packaged(
    name: str,
    format_: Format,
    at: datetime,
    parts: Iterable[bytes],
    signed: Callable[[], SignedEvidence],
) -> Iterator[bytes]:
    """The bytes of the zip as they come.

    signed: asked when all parts are there; before it answers the zip has no end, and opens nowhere.
    """
    out = Outflow()
    with zipfile.ZipFile(out, "w") as archive:
        # The others are compressed themselves.
        compress = format_ in (Format.CSV, Format.JSONL)
        with archive.open(_entry(name, at, compress=compress), "w", force_zip64=True) as written:
            for part in parts:
                written.write(part)
                if taken := out.take():
                    yield taken
        evidence = signed()
        archive.writestr(_entry(MANIFEST, at, compress=False), evidence.document)
        archive.writestr(_entry(NOTE, at, compress=False), evidence.note)
    yield out.take()


def _entry(name: str, at: datetime, *, compress: bool) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, at.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    entry.external_attr = _MODE
    return entry
