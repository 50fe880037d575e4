"""Masks: what is shown of a field to somebody who may know that it has a value, but not which.

A mask shows what its name states and nothing more, whatever the text: not the length, and never
more than half of the letters and digits (else it shows none). A value that its mask does not
understand is hidden whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum

from secvault.crypto.canonical import JsonValue
from secvault.records.value import FieldType

HIDDEN = "•••"
"""Three bullets stand for anything of any length."""

_MOST_INITIALS = 5
_DAY_OR_MOMENT = re.compile(r"([0-9]{4})-[0-9]{2}-[0-9]{2}(?:T[0-9:.]+Z)?")
# As many characters as the shortest IBAN has, so that at most half of them are shown.
_IBAN = re.compile(r"([A-Z]{2})[0-9]{2}[0-9A-Z]{7,26}([0-9A-Z]{4})")
_EMAIL = re.compile(r"[^@\s]+@([a-z0-9.-]+)")


class Mask(StrEnum):
    """What remains readable.

    hidden: nothing. last4, first2: that many of the letters and digits. initials: the first
    letter of each of the first five words. year: the year of a date. email_domain: what stands
    after the @. country_last4: the country of an IBAN and its last four characters.
    """

    HIDDEN = "hidden"
    LAST4 = "last4"
    FIRST2 = "first2"
    INITIALS = "initials"
    YEAR = "year"
    EMAIL_DOMAIN = "email_domain"
    COUNTRY_LAST4 = "country_last4"


_NUMBERED = frozenset(
    {
        FieldType.TEXT,
        FieldType.PHONE,
        FieldType.ACCOUNT,
        FieldType.IDENTITY_NUMBER,
        FieldType.TAX_CODE,
        FieldType.SOCIAL_INSURANCE_NUMBER,
        FieldType.IBAN,
        FieldType.CARD,
    }
)

MASK_TYPES: Mapping[Mask, frozenset[FieldType]] = {
    Mask.HIDDEN: frozenset(FieldType),
    Mask.LAST4: _NUMBERED,
    Mask.FIRST2: _NUMBERED,
    Mask.INITIALS: frozenset({FieldType.TEXT}),
    Mask.YEAR: frozenset({FieldType.DATE, FieldType.DATETIME}),
    Mask.EMAIL_DOMAIN: frozenset({FieldType.EMAIL}),
    Mask.COUNTRY_LAST4: frozenset({FieldType.IBAN}),
}
"""The types of fields that each mask is made for."""


def masked(mask: Mask, value: JsonValue) -> str:
    """The text to show in place of a stored value."""
    return _SHOW[mask](value) if isinstance(value, str) else HIDDEN


def is_masked(value: JsonValue) -> bool:
    """Whether somebody sends what a mask showed them in place of a value.

    Nobody types bullets; initials are all that a mask shows without one.
    """
    return isinstance(value, str) and HIDDEN[:2] in value


def _last4(text: str) -> str:
    shown = _readable(text)[-4:]
    return HIDDEN + shown if _at_most_half(shown, text) else HIDDEN


def _first2(text: str) -> str:
    shown = _readable(text)[:2]
    return shown + HIDDEN if _at_most_half(shown, text) else HIDDEN


def _initials(text: str) -> str:
    words = [word for word in map(_readable, text.split()) if word]
    shown = "".join(word[0] for word in words[:_MOST_INITIALS])
    if not shown or not _at_most_half(shown, text):
        return HIDDEN
    return " ".join(f"{_capital(letter)}." for letter in shown)


def _year(text: str) -> str:
    match = _DAY_OR_MOMENT.fullmatch(text)
    return f"{match[1]}-••-••" if match else HIDDEN


def _email_domain(text: str) -> str:
    match = _EMAIL.fullmatch(text)
    return f"{HIDDEN}@{match[1]}" if match else HIDDEN


def _country_last4(text: str) -> str:
    match = _IBAN.fullmatch(text)
    return f"{match[1]}{HIDDEN}{match[2]}" if match else HIDDEN


def _readable(text: str) -> str:
    """Letters and digits only: no combining mark, direction control or joiner gets through."""
    return "".join(filter(str.isalnum, text))


def _at_most_half(shown: str, text: str) -> bool:
    return len(shown) * 2 <= len(_readable(text))


def _capital(letter: str) -> str:
    # Some letters have capitals of two characters (ß); they stay as they are.
    capital = letter.upper()
    return capital if len(capital) == 1 else letter


_SHOW: Mapping[Mask, Callable[[str], str]] = {
    Mask.HIDDEN: lambda _text: HIDDEN,
    Mask.LAST4: _last4,
    Mask.FIRST2: _first2,
    Mask.INITIALS: _initials,
    Mask.YEAR: _year,
    Mask.EMAIL_DOMAIN: _email_domain,
    Mask.COUNTRY_LAST4: _country_last4,
}
