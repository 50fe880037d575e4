"""Sign-in names, display names and ids: what is allowed, and what counts as the same."""

from __future__ import annotations

import re
import unicodedata

import uuid_utils

from secvault.clock import Clock
from secvault.errors import InvalidInput

SHORTEST_NAME = 2
LONGEST_NAME = 64
LONGEST_DISPLAY_NAME = 200
LONGEST_LABEL = 64
"""Of an address of mail (RFC 5321, 4.5.3.1.3)."""
LONGEST_NOTES = 2000

# Nothing longer is normalised: the work would be the sender's choice.
_LONGEST_INPUT = 1024
_PUNCTUATION = frozenset("._-@")
_DIGITS = frozenset("0123456789")
# Controls, surrogates, unassigned, private use, and line or paragraph separators.
_UNSHOWN = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})
# Characters that turn the direction of text, so that one name can be made to look like another.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ID = re.compile(r"[0-9a-f]{32}")
_KEY_ID = re.compile(r"[0-9A-Za-z]{10}")
_DEPARTMENT = re.compile(r"[a-z][a-z0-9_]{0,39}")


def sign_in_name(text: str, field: str = "name") -> str:
    """The one form of a sign-in name: NFKC and case-folded, so that what looks alike is alike.

    2 to 64 characters after that: letters of any script with their marks, digits 0-9, and `.`,
    `_`, `-`, `@`; the first is a letter or digit. Applying it again changes nothing.
    Raises InvalidInput at `field`.
    """
    if len(text) > _LONGEST_INPUT:
        raise InvalidInput.at(field, f"must have at most {LONGEST_NAME} characters")
    folded = _folded(text)
    if not SHORTEST_NAME <= len(folded) <= LONGEST_NAME:
        raise InvalidInput.at(field, f"must have {SHORTEST_NAME} to {LONGEST_NAME} characters")
    if not all(_in_name(character) for character in folded):
        raise InvalidInput.at(
            field, "may hold letters, the digits 0-9 and . _ - @ only; no spaces or other signs"
        )
    if not (_is_letter(folded[0]) or folded[0] in _DIGITS):
        raise InvalidInput.at(field, "must begin with a letter or a digit")
    return folded


def display_name(
    text: str, field: str = "display_name", longest: int = LONGEST_DISPLAY_NAME
) -> str:
    """A name for people to read: NFC, without spaces around it, 1 to `longest` characters.

    Raises InvalidInput at `field` for control characters, line breaks, unassigned characters and
    marks that turn the direction of text.
    """
    if len(text) > _LONGEST_INPUT:
        raise InvalidInput.at(field, f"must have at most {longest} characters")
    shown = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(shown) <= longest:
        raise InvalidInput.at(field, f"must have 1 to {longest} characters")
    if any(_is_unshown(c) for c in shown):
        raise InvalidInput.at(field, "must not hold control characters or line breaks")
    return shown


def department_name(text: str, field: str = "department") -> str:
    """The name of a department, for instance `accounting`. Raises InvalidInput at `field`.

    Whether there is such a department is for the policy to say.
    """
    if not _DEPARTMENT.fullmatch(text):
        raise InvalidInput.at(field, "must be lower-case letters, digits and _, a letter first")
    return text


def notes(text: str, field: str = "notes") -> str:
    """Free text in NFC with `\\n` for the ends of lines; empty for none.

    At most 2000 characters. Raises InvalidInput at `field`, as for names, but that lines may end
    and tabs are kept.
    """
    if len(text) > 4 * LONGEST_NOTES:
        raise InvalidInput.at(field, f"must have at most {LONGEST_NOTES} characters")
    kept = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if len(kept) > LONGEST_NOTES:
        raise InvalidInput.at(field, f"must have at most {LONGEST_NOTES} characters")
    if any(_is_unshown(c) for c in kept if c not in "\n\t"):
        raise InvalidInput.at(field, "must not hold control characters")
    return kept


def employee_number(text: str, field: str = "employee") -> str:
    """The number that a company knows somebody by, in the form that is compared; see `compared`.

    At most 64 characters, without control characters; empty for none. Raises InvalidInput.
    """
    return _short(text, field)


def team_name(text: str, field: str = "teams") -> str:
    """The name of a team, in the form that is compared; see `compared`. Raises InvalidInput."""
    folded = _short(text, field)
    if not folded:
        raise InvalidInput.at(field, "must have 1 to 64 characters")
    return folded


def compared(text: str) -> str:
    """Text as two of them are compared: NFKC, without case, one space for any blanks.

    So `NV-0042` is `nv-0042`, however it was typed. Applying it again changes nothing.
    """
    return " ".join(_folded(text).split())


def _short(text: str, field: str) -> str:
    if len(text) > _LONGEST_INPUT:
        raise InvalidInput.at(field, f"must have at most {LONGEST_NAME} characters")
    if any(_is_unshown(c) for c in text):
        raise InvalidInput.at(field, "must not hold control characters or line breaks")
    folded = compared(text)
    if len(folded) > LONGEST_NAME:
        raise InvalidInput.at(field, f"must have at most {LONGEST_NAME} characters")
    return folded


def searched(*names: str) -> str:
    """Names as they are searched: without case and marks, so that `nguyen` finds `Nguyễn`.

    The same for composed and decomposed text (NFC, NFD) and for wide forms.
    """
    plain = unicodedata.normalize("NFKD", " ".join(names)).casefold().replace("đ", "d")
    plain = unicodedata.normalize("NFKD", plain)
    bare = "".join(c for c in plain if not unicodedata.category(c).startswith("M"))
    return " ".join(bare.split())


def new_id(clock: Clock) -> str:
    """A new id: 32 hexadecimal digits of a UUIDv7 (RFC 9562), so that ids sort by creation."""
    return uuid_utils.uuid7(nanoseconds=clock.micros() * 1_000).hex


def is_id(text: str) -> bool:
    """Whether `text` can be an id that `new_id` made."""
    return _ID.fullmatch(text) is not None


def is_key_id(text: str) -> bool:
    """Whether `text` can be the key id of a session or token."""
    return _KEY_ID.fullmatch(text) is not None


def _folded(text: str) -> str:
    # Folding can undo the normal form and the other way round; the second round settles it
    # (Unicode 3.13, D146: compatibility caseless matching).
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFKC", once.casefold())


def _in_name(character: str) -> bool:
    return (
        character in _DIGITS
        or character in _PUNCTUATION
        or _is_letter(character)
        or unicodedata.category(character) in ("Mn", "Mc")
    )


def _is_unshown(character: str) -> bool:
    return character in _TURNING or unicodedata.category(character) in _UNSHOWN


def _is_letter(character: str) -> bool:
    return unicodedata.category(character).startswith("L")
