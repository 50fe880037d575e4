"""A report as it is read, in one language: what HTML and PDF are made of alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["good", "bad", "open", ""]
"""How something stands: as it should, not as it should, not known; or it does not matter."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table. beneath: smaller, under it. code: an id or a path, not words.

    original: it is in English, because the program has no words for it in the page's language.
    """

    text: str
    beneath: str = ""
    tone: Tone = ""
    code: bool = False
    number: bool = False
    original: bool = False


@dataclass(frozen=True)
class Measure:
    """One large figure. target: what was to be kept to, in words; its tone: whether it was."""

    value: str
    label: str
    target: str = ""
    tone: Tone = ""


@dataclass(frozen=True)
class Bar:
    """One drill of the chart. height: from 0 to 1, of the highest thing shown."""

    height: float
    tone: Tone


@dataclass(frozen=True)
class Chart:
    """Bars side by side; target: the height of a line across them, or None."""

    bars: tuple[Bar, ...]
    target: float | None


@dataclass(frozen=True)
class Section:
    """A part of the page; what is empty is not shown. widths: of the columns, as shares.

    facts: pairs of a name and what it is. items: a list.
    """

    title: str
    told: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    widths: tuple[float, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    facts: tuple[tuple[str, Cell], ...] = ()
    items: tuple[Cell, ...] = ()
    chart: Chart | None = None
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """The whole report. under: beneath the title. leads: the verdict in words, the first one large.

    digest: SHA-256 of the signed document. checks: commands that check it. note: the signed note.
    """

    language: str
    title: str
    under: str
    id: str
    made_at: str
    tone: Tone
    leads: tuple[str, ...]
    measures: tuple[Measure, ...]
    sections: tuple[Section, ...]
    signature: Section
    checks: tuple[str, ...]
    note: str
