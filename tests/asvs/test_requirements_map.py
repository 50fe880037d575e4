"""Every requirement of OWASP ASVS 5.0 V6 to V9, levels 1 and 2, has what shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from tests.asvs.requirements_map import (
    DEMANDED,
    Requirement,
    Shown,
    faults,
    read_map,
    read_requirements,
)

# By chapter, how many requirements of level 1, 2 and 3 the standard has.
COUNTS = {"6": (13, 22, 12), "7": (6, 12, 1), "8": (4, 3, 6), "9": (4, 3, 0)}


def test_the_list_of_requirements_is_complete() -> None:
    requirements = read_requirements()
    counted = Counter((one.number.split(".")[0], one.level) for one in requirements.values())
    assert {
        chapter: tuple(counted[chapter, level] for level in (1, 2, 3)) for chapter in COUNTS
    } == COUNTS
    numbers = [tuple(map(int, number.split("."))) for number in requirements]
    assert numbers == sorted(set(numbers))
    for _, section in groupby(numbers, key=lambda number: number[:2]):
        last = [number[2] for number in section]
        assert last == list(range(1, len(last) + 1))
    for chapter in COUNTS:
        sections = sorted({middle for first, middle, _ in numbers if str(first) == chapter})
        assert sections == list(range(1, len(sections) + 1))
    assert all(len(one.label) > 10 for one in requirements.values())


def test_every_requirement_is_mapped_to_what_is_there(
    record_property: Callable[[str, object], None],
) -> None:
    requirements, entries = read_requirements(), read_map()
    demanded = [number for number, one in requirements.items() if one.level <= DEMANDED]
    record_property("requirements", len(demanded))
    for kind in ("tests", "documents", "deviates", "not_applicable", "pending"):
        count = sum(bool(getattr(entries.get(number), kind, None)) for number in demanded)
        record_property(kind, count)
        print(f"{kind}: {count} of {len(demanded)}")
    assert list(faults(requirements, entries)) == []


def test_no_requirement_waits_for_another_part() -> None:
    waiting = [f"{number} {one.pending}" for number, one in read_map().items() if one.pending]
    assert not waiting, "\n" + "\n".join(waiting)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project: one file of tests, one document."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_door.py").write_text(
        "import pytest\n"
        "def test_it_opens(): ...\n"
        "@pytest.mark.skipif(True, reason='')\n"
        "def test_it_rests(): ...\n"
        "@pytest.mark.xfail\n"
        "def test_it_fails(): ...\n"
        "def test_it_gives_up():\n    pytest.skip('no')\n"
        "def helper(): ...\n"
        "class TestDoor:\n"
        "    def test_it_shuts(self): ...\n"
        "@pytest.mark.skip\n"
        "class TestWindow:\n"
        "    def test_it_shuts(self): ...\n"
    )
    (tmp_path / "tests" / "test_wall.py").write_text(
        "import pytest\npytestmark = pytest.mark.skip\ndef test_it_stands(): ...\n"
    )
    (tmp_path / "door.md").write_text(
        "# Doors\n\n## Opening\n\nBy the handle.\n\n## Empty\n\n"
        "## Code\n```\n# Not a heading\n```\n"
    )
    return tmp_path


GOOD = Shown(
    tests=("tests/test_door.py::test_it_opens", "tests/test_door.py::TestDoor::test_it_shuts"),
    documents=("door.md#Opening", "door.md#Code"),
)
OURS = {"6.1.1": Requirement("6.1.1", 1, "a door"), "6.1.2": Requirement("6.1.2", 3, "a moat")}


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (GOOD, None),
        (replace(GOOD, deviates="it squeaks"), None),
        (replace(GOOD, pending="walls: a wall"), None),
        (Shown(pending="walls: a wall"), None),
        (Shown(not_applicable="there is no door"), None),
        (Shown(not_applicable="there is no door", until="house"), None),
        (Shown(not_applicable="there is no door", until="door.md"), "applies now: there is"),
        (replace(GOOD, until="house"), "says until when"),
        (Shown(), "names neither a test nor a document"),
        (Shown(deviates="it squeaks"), "names neither a test nor a document"),
        (Shown(not_applicable=" "), "gives an empty reason"),
        (replace(GOOD, deviates=""), "gives an empty reason"),
        (Shown(pending=""), "gives an empty reason"),
        (replace(GOOD, not_applicable="why"), "is not applicable and mapped at once"),
        (Shown(tests=("tests/test_gate.py::test_it_opens",)), "is in no file of tests"),
        (Shown(tests=("door.md::test_it_opens",)), "is in no file of tests"),
        (Shown(tests=("tests/test_door.py::test_it_locks",)), "is not there"),
        (Shown(tests=("tests/test_door.py::test_it_shuts",)), "is not there"),
        (Shown(tests=("tests/test_door.py::test_it_opens[x]",)), "is not there"),
        (Shown(tests=("tests/test_door.py::helper",)), "is not there"),
        (Shown(tests=("tests/test_door.py",)), "is not there"),
        (Shown(tests=("tests/test_door.py::test_it_rests",)), "is skipped"),
        (Shown(tests=("tests/test_door.py::test_it_fails",)), "is skipped"),
        (Shown(tests=("tests/test_door.py::test_it_gives_up",)), "is skipped"),
        (Shown(tests=("tests/test_door.py::TestWindow::test_it_shuts",)), "is skipped"),
        (Shown(tests=("tests/test_wall.py::test_it_stands",)), "is skipped"),
        (Shown(documents=("gate.md#Opening",)), "is no document"),
        (Shown(documents=("tests/test_door.py#Opening",)), "is no document"),
        (Shown(documents=("door.md#Closing",)), "has no such heading"),
        (Shown(documents=("door.md#Not a heading",)), "has no such heading"),
        (Shown(documents=("door.md",)), "has no such heading"),
        (Shown(documents=("door.md#Empty",)), "has nothing below"),
    ],
)
def test_what_is_wrong_with_an_entry_is_found(tree: Path, shown: Shown, said: str | None) -> None:
    found = list(faults(OURS, {"6.1.1": shown}, tree))
    if said is None:
        assert found == []
    else:
        (fault,) = found
        assert fault.startswith("6.1.1 ")
        assert said in fault


def test_a_requirement_without_an_entry_and_an_entry_without_a_requirement_are_found(
    tree: Path,
) -> None:
    assert list(faults(OURS, {}, tree)) == ["6.1.1 is not mapped: a door"]
    assert list(faults(OURS, {"6.1.1": GOOD, "6.9.9": GOOD}, tree)) == ["6.9.9 is no requirement"]
