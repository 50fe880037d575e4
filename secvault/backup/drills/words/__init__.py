"""What reports of drills say, one file for each language: see `load`.

What a drill found is told in English, as the program wrote it down; for another language, the
sentences that the program writes stand in `<language>.sentences.toml`, with what changes as `{1}`,
`{2}`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from secvault.errors import InvalidInput

Language = Literal["en", "vi"]
LANGUAGES: tuple[Language, ...] = ("en", "vi")

_FOLDER = Path(__file__).parent
_HOLE = re.compile(r"\{(\d)\}")
_PIECES = "; "
_PROSE = re.compile(r"(the|a|an|its|it|no|what|nothing|there) ")


@dataclass(frozen=True)
class Words:
    """A language's words. sentences: patterns of English, and what stands for them."""

    language: Language
    book: Mapping[str, Mapping[str, str]]
    decimal: str
    thousands: str
    units: tuple[str, ...]
    percent: str
    byte: str
    sentences: Sequence[tuple[re.Pattern[str], str]]

    def say(self, section: str, key: str, /, **values: str | int) -> str:
        """A text of ours, filled in."""
        return self.book[section][key].format(**values)

    def named(self, section: str, key: str) -> str:
        """The word for a name of the program's; the name itself where there is none."""
        return self.book[section].get(key, key)

    def told(self, sentence: str) -> str:
        """A sentence of the program's in this language, as far as its parts are known."""
        whole = self._known(sentence)
        if whole is not None:
            return whole
        pieces = sentence.split(_PIECES)
        if len(pieces) > 1:
            return _PIECES.join(self.told(piece) for piece in pieces)
        # A source, a repository or a table, and what is said of it.
        name, colon, rest = sentence.partition(": ")
        return f"{name}: {self.told(rest)}" if colon and " " not in name else sentence

    def _known(self, sentence: str) -> str | None:
        for pattern, said in self.sentences:
            found = pattern.fullmatch(sentence)
            if found is not None:
                parts = [self.told(part) for part in found.groups()]
                if said.startswith("{") and _PROSE.match(parts[0]):
                    # A name was meant to begin it; half a sentence in each language helps nobody.
                    continue
                return _HOLE.sub(lambda hole, parts=parts: parts[int(hole[1]) - 1], said)  # type: ignore[misc]
        return None


@cache
def load(language: str) -> Words:
    """The words of a language. Raises InvalidInput for one that there is none of."""
    chosen = next((one for one in LANGUAGES if one == language), None)
    if chosen is None:
        raise InvalidInput.at("language", f"use one of {', '.join(LANGUAGES)}")
    found = tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    sentences = sentences_of(chosen)
    return Words(
        chosen,
        {name: section for name, section in found.items() if isinstance(section, dict)},
        decimal=found["decimal"],
        thousands=found["thousands"],
        units=tuple(found["units"].split()),
        percent=found["percent"],
        byte=found["byte"],
        # What begins by itself, and says most by itself, comes first.
        sentences=[
            (pattern_of(english), sentences[english]) for english in sorted(sentences, key=_order)
        ],
    )


def sentences_of(language: Language) -> Mapping[str, str]:
    """What stands for sentences of the program; none for English, in which they are."""
    file = _FOLDER / f"{language}.sentences.toml"
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def pattern_of(english: str) -> re.Pattern[str]:
    """What the sentence matches: a hole takes anything, as little as it can."""
    parts = _HOLE.split(english)
    # Numbers of holes stand between the pieces of text; they go by their order.
    return re.compile("(.*?)".join(re.escape(text) for text in parts[::2]), re.DOTALL)


def _order(english: str) -> tuple[bool, int]:
    return english.startswith("{"), -len(_HOLE.sub("", english))
