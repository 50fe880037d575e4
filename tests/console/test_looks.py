"""The stylesheet and the templates know the same classes, and the stylesheet stays small."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import secvault
from secvault.console import assets

PACKAGE = Path(secvault.__file__).parent
CONSOLE = Path(assets.__file__).parent
SHEET = CONSOLE / "assets" / "console.css"
MOST_BYTES = 22_000


def _sheet() -> str:
    return re.sub(r"/\*.*?\*/", "", SHEET.read_text("utf-8"), flags=re.DOTALL)


def _styled() -> set[str]:
    """The classes that the stylesheet knows."""
    selectors = re.sub(r"\{[^{}]*\}", "{}", _sheet())
    return set(re.findall(r"\.([a-z][\w-]*)", selectors))


def _attributes() -> Iterator[str]:
    """What stands in the class attributes of the templates."""
    for file in (CONSOLE / "templates").rglob("*.html"):
        text = re.sub(r"\{#.*?#\}", "", file.read_text("utf-8"), flags=re.DOTALL)
        # A value may hold quotes where it is worked out.
        yield from re.findall(r'\bclass="((?:\{\{.*?\}\}|\{%.*?%\}|[^"{])*)"', text)


def _written() -> set[str]:
    """The classes that templates name as such."""
    plain = (re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", value) for value in _attributes())
    return {word for value in plain for word in value.split()}


def _words() -> set[str]:
    """What stands in quotes in the program, and where a class is worked out: names of states."""
    worked_out = [part for one in _attributes() for part in re.findall(r"\{[{%].*?[%}]\}", one)]
    sources = [file.read_text("utf-8") for file in PACKAGE.rglob("*.py")]
    return {
        word
        for text in (*sources, *worked_out)
        for word in re.findall(r"[\"']([a-z][\w-]*)[\"']", text)
    }


def test_each_class_of_the_templates_has_a_look() -> None:
    assert _written() - _styled() == set()


def test_each_look_is_of_a_class_that_templates_use() -> None:
    assert _styled() - _written() - _words() == set()


def test_nothing_is_said_twice_under_the_same_name() -> None:
    outside = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", _sheet())
    rules = [" ".join(one.split()) for one in re.findall(r"([^{}]+)\{[^{}]*\}", outside)]
    assert sorted({one for one in rules if rules.count(one) > 1}) == []


def test_the_stylesheet_stays_small() -> None:
    assert len(SHEET.read_bytes()) < MOST_BYTES
