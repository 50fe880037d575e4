"""What somebody asks for when they export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput
from secvault.identity import names
from secvault.records.collection import Collection
from secvault.records.exports.column import ENGLISH
from secvault.tabular.writer import Format, Style

LONGEST_REASON = 200
NAMED, TITLED = "names", "titles"


@dataclass(frozen=True)
class Wanted:
    """A collection as a file.

    where: what its records must be; see `records.search.parse_search`. reason: why, for the
    manifest. language: of titles. titles: whether columns are headed by titles, not names. mark:
    see `exports.writer.Style`.
    """

    collection: str
    format: Format
    where: Mapping[str, JsonValue] = field(default_factory=dict)
    reason: str = ""
    language: str = ENGLISH
    titles: bool = False
    mark: bool = True

    def style(self, collection: Collection) -> Style:
        """How a file for people looks."""
        title = collection.title.get(self.language) or collection.title[ENGLISH]
        return Style(title, self.titles, self.mark)


@dataclass(frozen=True)
class Anonymity:
    """What is asked of a de-identified export.

    project: pseudonyms are the same within it. k: the fewest people who are alike; None for as few
    as the settings allow. quasi: see `treatment_of`. refuse: rather than leave out who stands out.
    """

    project: str
    k: int | None = None
    quasi: tuple[str, ...] = ()
    refuse: bool = False


def reason_of(text: str, count: int, most_without: int) -> str:
    """The reason as it is kept. Raises InvalidInput when there is none, but so many records."""
    if not text:
        if count > most_without:
            raise InvalidInput.at(
                "reason",
                f"say why: more than {most_without} records are to be taken away"
                if most_without
                else "say why the records are taken away",
            )
        return ""
    return names.display_name(text, "reason", LONGEST_REASON)
