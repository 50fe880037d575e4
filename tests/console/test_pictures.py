"""The pictures of the docs: small, and none that nobody shows."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from tests.acceptance.pictures import FOLDER, LARGEST, PICTURES, WIDEST

ROOT = FOLDER.parents[1]
PAGES = ("README.md", "docs/how-to/console/console.md")


def test_the_pictures_are_those_that_are_taken_and_small() -> None:
    files = sorted(FOLDER.glob("*.png"))
    assert [file.stem for file in files] == sorted(one.name for one in PICTURES)
    for file in files:
        content = file.read_bytes()
        assert len(content) <= LARGEST, file.name
        (width,) = struct.unpack(">I", content[16:20])
        assert width <= WIDEST, file.name


def test_each_is_shown_with_words_for_who_cannot_see_it() -> None:
    shown: set[Path] = set()
    for page in PAGES:
        path = ROOT / page
        for told, target in re.findall(r"!\[([^\]]*)\]\(([^)]+\.png)\)", path.read_text("utf-8")):
            assert told
            shown.add((path.parent / target).resolve())
    assert shown == set(FOLDER.glob("*.png"))
