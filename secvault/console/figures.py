"""Sizes, spans and days as the language of a page writes them; given to templates that show any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from babel import dates
from fastapi import Request

from secvault.backup.drills import amounts
from secvault.backup.drills.words import Words, load
from secvault.console.language import language_of


def figures(request: Request) -> Mapping[str, Any]:
    """For `page`: size (bytes), span (micros), number, day (a date), weekday (0 is Monday)."""
    words = words_of(request)
    return {
        "size": _unless_unknown(lambda count: amounts.size(count, words)),
        "span": _unless_unknown(lambda micros: amounts.duration(micros // 1000, words)),
        "number": _unless_unknown(lambda count: amounts.number(count, words)),
        "day": lambda at: _day(at, words),
        "weekday": lambda number: dates.get_day_names("wide", locale=words.language)[number],
    }


def words_of(request: Request) -> Words:
    """What drills, their levels, faults and scenarios are called in the language of the page."""
    return load(language_of(request).code)


def _unless_unknown(said: Callable[[int], str]) -> Callable[[int | None], str]:
    return lambda count: "–" if count is None else said(count)


def _day(at: date, words: Words) -> str:
    return dates.format_date(at, "medium", locale=words.language)
