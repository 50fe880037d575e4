"""Which language a page speaks, and how it says numbers, dates and ages in it.

Messages stand in the templates in English. `locale/vi` has them in Vietnamese, a file for each
part of the console; they are read as they are: there is nothing to compile, and a test finds what
is missing.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Literal

from babel import Locale, dates, negotiate_locale, numbers
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from fastapi import Request

from secvault.console.zone import UNIVERSAL, local, offset_of, zone_of

LANGUAGES = ("en", "vi")
COOKIE = "secvault-language"
NAMES = {"en": "English", "vi": "Tiếng Việt"}
FOLDER = Path(__file__).with_name("locale")

_MOST_ACCEPTED = 20
_Unit = Literal["day", "hour", "minute", "second"]
_UNITS: Mapping[_Unit, int] = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}


@dataclass(frozen=True)
class Language:
    """A language of the console. code: as in `<html lang>`. zone: its clocks tell the times."""

    code: str
    zone: str = UNIVERSAL

    @property
    def translations(self) -> NullTranslations:
        """The messages, for Jinja's i18n extension."""
        return _catalogue(self.code)

    def say(self, message: str, **values: object) -> str:
        """A message in this language. values: for `%(name)s` in it."""
        said = self.translations.ugettext(message)
        return said % self.counted(values) if values else said

    def number(self, value: int) -> str:
        """A whole number, with its thousands apart."""
        return numbers.format_decimal(value, locale=self._locale)

    def counted(self, values: Mapping[str, object]) -> dict[str, object]:
        """What is put into a message: its numbers as this language writes them.

        But for the number of an event, which names it.
        """
        return {
            name: self.number(value) if type(value) is int and name != "seq" else value
            for name, value in values.items()
        }

    def moment(self, micros: int) -> str:
        """A moment by the clocks of the zone, and how far these are from UTC."""
        at = local(micros, self.zone)
        return f"{dates.format_datetime(at, 'medium', locale=self._locale)} {offset_of(at)}"

    def ago(self, micros: int, now: int) -> str:
        """How long before or after now a moment is, in words."""
        return dates.format_timedelta(
            timedelta(microseconds=micros - now), add_direction=True, locale=self._locale
        )

    def span(self, seconds: int) -> str:
        """How long something lasts, in words; exactly so, in the largest unit that can say it."""
        unit = next(name for name, size in _UNITS.items() if seconds % size == 0)
        return dates.format_timedelta(
            timedelta(seconds=seconds), unit, threshold=math.inf, locale=self._locale
        )

    @property
    def _locale(self) -> Locale:
        return Locale.parse(self.code)


def language_of(request: Request) -> Language:
    """The language that the visitor chose, else the best of those that the browser asks for."""
    chosen, zone = request.cookies.get(COOKIE), zone_of(request)
    if chosen in LANGUAGES:
        return Language(chosen, zone)
    asked = request.headers.get("Accept-Language", "").split(",")[:_MOST_ACCEPTED]
    wanted = [each.partition(";")[0].strip().replace("-", "_") for each in asked]
    code = negotiate_locale([each for each in wanted if each], LANGUAGES) or "en"
    return Language(code, zone)


def catalogue(code: str) -> Catalog:
    """Every message in a language. What two files have must be the same in both."""
    whole = Catalog(locale=code)
    for file in sorted((FOLDER / code).glob("*.po")):
        with file.open("rb") as source:
            for message in read_po(source, locale=code):
                if message.id:
                    whole[message.id] = message
    return whole


@cache
def _catalogue(code: str) -> NullTranslations:
    if code == "en":
        return NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, catalogue(code))
    compiled.seek(0)
    return Translations(compiled)
