"""The formats that events are exported in, and what all of their writers promise."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Protocol, cast

from secvault import __version__
from secvault.audit.leaf import StoredEvent
from secvault.audit.question import EVERYTHING, Question
from secvault.errors import InvalidInput


@dataclass(frozen=True)
class ExportFacts:
    """What is said beside the events.

    origin: of the log. made_at: microseconds UTC. zone: of the IANA database, for local times.
    question: what was asked. version: of this program.
    """

    origin: str
    made_at: int
    zone: str = "Asia/Ho_Chi_Minh"
    question: Question = EVERYTHING
    version: str = __version__


class Write(Protocol):
    """Writes the events into a new file, readable by its owner alone; how many there were.

    Raises InvalidInput when the file cannot be written, Damaged for an event that is none,
    ConfigurationError when the format needs a library that is not installed.
    """

    def __call__(self, events: Iterable[StoredEvent], file: Path, *, facts: ExportFacts) -> int: ...


@dataclass(frozen=True)
class Format:
    """One format. suffix: of its files, with the point. told: what it is for, in a few words."""

    name: str
    suffix: str
    media_type: str
    told: str
    write: Write


def _loaded(room: str) -> Write:
    # Each brings a library that programs which never export do not load.
    def write(events: Iterable[StoredEvent], file: Path, *, facts: ExportFacts) -> int:
        module = importlib.import_module(f"secvault.audit.formats.{room}")
        return cast("Write", module.write)(events, file, facts=facts)

    return write


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        name: Format(name, suffix, media_type, told, _loaded(f"{name}_format"))
        for name, suffix, media_type, told in (
            ("csv", ".csv", "text/csv; charset=utf-8", "for spreadsheets and databases"),
            (
                "xlsx",
                ".xlsx",
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                "for Excel and LibreOffice",
            ),
            ("jsonl", ".jsonl", "application/jsonl", "the exact leaf bytes, for proofs"),
            ("parquet", ".parquet", "application/vnd.apache.parquet", "for pandas and DuckDB"),
            ("ocsf", ".ocsf.jsonl", "application/jsonl", "OCSF 1.8.0, for a SIEM"),
            ("cef", ".cef", "text/plain; charset=utf-8", "ArcSight CEF, for a SIEM"),
        )
    }
)
"""By name."""


def format_named(name: str) -> Format:
    """The format of this name. Raises InvalidInput."""
    found = FORMATS.get(name)
    if found is None:
        raise InvalidInput.at("format", f"must be one of {', '.join(FORMATS)}")
    return found


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """The file, new or emptied, for its owner alone. Raises InvalidInput for what the disk says."""
    try:
        with open(file, "wb", opener=_for_its_owner) as out:
            yield out
    except OSError as error:
        raise InvalidInput.at("file", f"{file} cannot be written: {error.strerror}") from None


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
