"""What people read of decisions about themselves, from `words/`, one file for each language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).with_name("words")
LANGUAGES = ("en", "vi")
"""English is the one that decisions themselves carry."""


def reason(key: str, language: str = "en", **values: str) -> str:
    """Why the answer is as it is. key: a kind of decision, or the variant of one."""
    return words(language)["reason"][key].format_map(values)


def mend(key: str, language: str = "en", **values: str | int) -> str:
    """What the reader can do. key: the type of a remedy."""
    return words(language)["remedy"][key].format_map(values)


def circumstance(key: str, language: str = "en", **values: str) -> str:
    """When something is allowed. key: the kind of a condition, or the variant of one."""
    return words(language)["condition"][key].format_map(values)


def between(what: str, language: str = "en") -> str:
    """What stands between circumstances: `all` of them are needed, or `any` is enough."""
    return words(language)["between"][what]


def class_name(known: str, language: str = "en") -> str:
    """A class of fields as people call it."""
    return words(language)["class"][known]


def thing(what: str, language: str = "en") -> str:
    """What a name is the name of: `object`, `field` and the like."""
    return words(language)["what"][what]


@cache
def words(language: str) -> Mapping[str, Mapping[str, str]]:
    """The words of a language, by section and key."""
    with (_FOLDER / f"{language}.toml").open("rb") as file:
        found: Mapping[str, Mapping[str, str]] = tomllib.load(file)
    return found
