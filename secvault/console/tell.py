"""What an error says, in the visitor's language.

The core speaks English: its errors are sentences with names and numbers in them. `locale/errors`
has each sentence with a number in braces for what is put into it; why something is refused has its
words in `secvault.access.words`. What is in neither is shown in English, and marked as such.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from babel.messages.pofile import read_po
from markupsafe import Markup

from secvault.access.words import words
from secvault.console.language import FOLDER

_HOLE = re.compile(r"\{(\w+)\}")
_FIELD = re.compile(r"([A-Za-z0-9_.*\[\]/-]{1,100}): (.+)", re.DOTALL)
_DEEPEST = 3
_LONGEST = 1_000
"""Characters of what is looked up: nobody is kept waiting for a text that somebody else made."""


@dataclass(frozen=True)
class _Sentence:
    """One with holes. weight: how much of it is fixed; what fits with more of it fits better."""

    pattern: re.Pattern[str]
    said: str
    weight: int


def tell(detail: str, code: str) -> Markup:
    """What an error says, as markup for a page in the language; in English where it is not known.

    What was put into the sentence stays as it is, and is text.
    """
    if code == "en":
        return Markup("<bdi>{}</bdi>").format(detail)
    said = sentence(detail, code) if len(detail) <= _LONGEST else None
    if said is None:
        return Markup('<bdi lang="en">{}</bdi>').format(detail)
    return Markup("<bdi>{}</bdi>").format(said)


def sentence(detail: str, code: str, deep: int = 0) -> str | None:
    """The sentence in a language but English; None where its words are not known."""
    fixed, holed = _known(code)
    if detail in fixed:
        return fixed[detail]
    for one in holed:
        if found := one.pattern.fullmatch(detail):
            return _HOLE.sub(lambda hole: _put(found[f"n{hole[1]}"], code, deep), one.said)
    if deep >= _DEEPEST:
        return None
    if field := _FIELD.fullmatch(detail):
        rest = sentence(field[2], code, deep + 1)
        return None if rest is None else f"{field[1]}: {rest}"
    parts = [sentence(one, code, deep + 1) for one in detail.split("; ")]
    return "; ".join(one for one in parts if one) if len(parts) > 1 and all(parts) else None


def _put(value: str, code: str, deep: int) -> str:
    """What is put into a sentence: a sentence itself, or a name, which stays."""
    said = None if deep >= _DEEPEST or " " not in value else sentence(value, code, _DEEPEST)
    return value if said is None else said


@cache
def _known(code: str) -> tuple[dict[str, str], tuple[_Sentence, ...]]:
    """The sentences of a language without holes, and those with some, the fullest first."""
    fixed, holed = {}, []
    for known, said in _pairs(code):
        if _HOLE.search(known):
            holed.append(_Sentence(_pattern(known), said, len(_HOLE.sub("", known))))
        else:
            fixed[known] = said
    return fixed, tuple(sorted(holed, key=lambda one: -one.weight))


def _pairs(code: str) -> Iterator[tuple[str, str]]:
    with (FOLDER / "errors" / f"{code}.po").open("rb") as source:
        for message in read_po(source, locale=code):
            if isinstance(message.id, str) and message.id:
                yield message.id, str(message.string)
    english, spoken = words("en"), words(code)
    for part in ("reason", "remedy", "condition"):
        for key, said in english[part].items():
            yield said, spoken[part][key]


def _pattern(known: str) -> re.Pattern[str]:
    text, at, seen = "", 0, set()
    for hole in _HOLE.finditer(known):
        name = f"n{hole[1]}"
        text += re.escape(known[at : hole.start()])
        text += f"(?P={name})" if name in seen else f"(?P<{name}>.*?)"
        seen.add(name)
        at = hole.end()
    return re.compile(text + re.escape(known[at:]), re.DOTALL)
