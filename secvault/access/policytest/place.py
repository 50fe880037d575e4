"""Where in a test file something stands, and the strict reading of its tables."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, NoReturn

from secvault.errors import ConfigurationError


@dataclass(frozen=True)
class Place:
    """An entry of a file. line: 0 when it is not known. title: what its author called it."""

    file: str
    line: int
    entry: str
    title: str = ""

    def __str__(self) -> str:
        line = f" line {self.line}" if self.line else ""
        entry = f", {self.entry}" if self.entry else ""
        return f"{self.file}{line}{entry}" + (f" ({self.title})" if self.title else "")


@dataclass(frozen=True)
class Entry:
    """A table of the file, read strictly: every fault names file and place."""

    place: Place
    found: Mapping[str, Any]
    inside: str = ""

    def fault(self, text: str) -> NoReturn:
        """Refuse the file because of this entry."""
        inside = f", {self.inside}" if self.inside else ""
        raise ConfigurationError(f"{self.place}{inside}: {text}")

    def only(self, *keys: str) -> None:
        """Refuse keys other than these."""
        for key in self.found:
            if key not in keys:
                self.fault(f"{key!r} is not known here; there are {', '.join(sorted(keys))}")

    def text(self, key: str, default: str | None = None) -> str:
        """The text at `key`; the default when it is not there, and a fault when there is none."""
        value = self.found.get(key, default)
        if not isinstance(value, str) or (not value and default is None):
            self.fault(f"{key} must be a text, in quotes")
        return value

    def one_of(self, key: str, known: Collection[str], default: str | None = None) -> str:
        """The same, of a closed list of names."""
        value = self.text(key, default)
        if value not in known and value != default:
            self.unknown(key, value, known)
        return value

    def unknown(self, key: str, value: str, known: Collection[str]) -> NoReturn:
        """Refuse a name that does not exist."""
        self.fault(f"{key}: there is no {value!r}; there are {', '.join(sorted(known))}")

    def names(
        self, key: str, known: Collection[str] | None = None, *, required: bool = False
    ) -> tuple[str, ...]:
        """The list of names at `key`, or the one name there; empty when it may be left out."""
        value = self.found.get(key)
        if value is None and not required:
            return ()
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            self.fault(f"{key} must be a list of names")
        if not listed:
            self.fault(f"{key} must name at least one")
        for one in listed:
            if known is not None and one not in known:
                self.unknown(key, one, known)
            if listed.count(one) > 1:
                self.fault(f"{key}: {one} is there twice")
        return tuple(listed)

    def flag(self, key: str) -> bool:
        """The true or false at `key`; false when it is not there."""
        value = self.found.get(key, False)
        if not isinstance(value, bool):
            self.fault(f"{key} must be true or false")
        return value

    def moment(self, key: str, default: int | None = None) -> int:
        """The date and time at `key`, with its offset, in microseconds."""
        if key not in self.found and default is not None:
            return default
        return self.micros(key, self.found.get(key))

    def micros(self, key: str, value: object) -> int:
        """A value of TOML as a moment in microseconds. A fault when it has no offset to UTC."""
        if not isinstance(value, datetime) or value.tzinfo is None:
            self.fault(f"{key} must be a date and time with an offset, as 2026-11-03T10:00:00Z")
        since = value - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds

    def table(self, key: str) -> Entry:
        """The table at `key`; an empty one when it is not there."""
        return self.within(key, self.found.get(key, {}))

    def within(self, key: str, value: object) -> Entry:
        """`value`, which stands at `key`, as a table of its own."""
        inside = f"{self.inside}.{key}" if self.inside else key
        if not isinstance(value, dict):
            self.fault(f"{key} must be a table")
        return Entry(self.place, value, inside)


def read_entries(file: str, text: str) -> tuple[Entry, dict[str, list[Entry]]]:
    """The file as a whole, and the entries of each of its lists of tables.

    Raises ConfigurationError when it is not TOML.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{file}: is not TOML: {error}") from None
    entries: dict[str, list[Entry]] = {}
    for key, value in document.items():
        if isinstance(value, list) and all(isinstance(one, dict) for one in value):
            lines = list(_lines(text, key))
            exact = len(lines) == len(value)
            entries[key] = [
                _entry(file, lines[number] if exact else 0, key, number + 1, table)
                for number, table in enumerate(value)
            ]
    return Entry(Place(file, 0, ""), document), entries


def _entry(file: str, line: int, key: str, number: int, table: dict[str, Any]) -> Entry:
    title = table.get("title", "")
    place = Place(file, line, f"{key} {number}", title if isinstance(title, str) else "")
    return Entry(place, table)


def _lines(text: str, key: str) -> Iterator[int]:
    heading = re.compile(rf"\s*\[\[\s*{re.escape(key)}\s*\]\]\s*(?:#.*)?")
    for number, line in enumerate(text.splitlines(), start=1):
        if heading.fullmatch(line):
            yield number


def is_moment(value: object) -> bool:
    """Whether TOML has a date or time there."""
    return isinstance(value, (date, time))
