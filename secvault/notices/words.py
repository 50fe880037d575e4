"""The words of notices, from `words/`, one file for each language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).with_name("words")
FRAME = "frame"


@dataclass(frozen=True)
class Message:
    """What is sent: plain text."""

    subject: str
    body: str


def message(kind: str, language: str, voice: str, values: Mapping[str, str]) -> Message:
    """The notice of this kind. voice: `person` for who is concerned, else `admin`.

    values: for the names in the words; see `words/en.toml`. What comes from people, such as names,
    is put in on one line: the text is plain, and nothing in it is a header or a paragraph of ours.
    """
    book = words(language)
    frame, said = book[FRAME], book[kind]
    greeting = frame["greeting" if voice == "person" else "greeting_admin"]
    body = said.get(voice) or said["person"]
    parts = (greeting, body, frame["when"], said.get("footer", frame["footer"]))
    return Message(
        f"[{values['organisation']}] {_filled(said['subject'], values)}",
        "\n\n".join(_filled(part, values) for part in parts) + "\n",
    )


@cache
def words(language: str) -> Mapping[str, Mapping[str, str]]:
    """The words of a language, by kind, then `subject`, `person`, `admin`."""
    with (_FOLDER / f"{language}.toml").open("rb") as file:
        found: Mapping[str, Mapping[str, str]] = tomllib.load(file)
    return found


def _filled(text: str, values: Mapping[str, str]) -> str:
    return text.format_map({name: " ".join(value.split()) for name, value in values.items()})
