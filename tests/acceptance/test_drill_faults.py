"""Every fault that a drill's levels cover is found and named, and no clean drill cries wolf.

docs/reference/drill-faults.md says which level finds what; it is held against the program here.
SVTEST_DRILL_FAULTS: how many faults are seeded, of each kind in turn. SVTEST_CLEAN_DRILLS: how many
drills of sound repositories there are. All that varies is drawn by chance, and told on failure.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, get_args

import pytest

from secvault.backup.drills.result import FaultCode
from secvault.backup.drills.stored import Drill
from secvault.config.drills import LevelName
from secvault.service import drills, records
from tests.acceptance.drill_faults import FAULTS
from tests.acceptance.drill_range import PLAN, Range, shooting_range
from tests.quick_repository import made_quickly
from tests.running_service import payslip

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(7200)]

SEEDED = int(os.environ.get("SVTEST_DRILL_FAULTS", "0")) or None
CLEAN = int(os.environ.get("SVTEST_CLEAN_DRILLS", "2"))
LEVELS: tuple[LevelName, ...] = get_args(LevelName)
TABLE = Path(__file__).parents[2] / "docs/reference/drill-faults.md"


@dataclass(frozen=True)
class Row:
    """What the table says of one kind of fault. named: by each level that looks there."""

    named: Mapping[LevelName, frozenset[str]]
    follows: frozenset[str]


def table() -> dict[str, Row]:
    """The table of the documentation, by the fault."""
    found: dict[str, Row] = {}
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| ") or cells[0] == "fault":
            continue
        codes = [frozenset(re.findall(r"`([a-z-]+)`", cell)) for cell in cells[1:]]
        *levels, follows = codes
        named = {level: one for level, one in zip(LEVELS, levels, strict=True) if one}
        found[cells[0]] = Row(named, follows)
    return found


@pytest.fixture(scope="module")
def at(
    tmp_path_factory: pytest.TempPathFactory, postgresql_server: str, mariadb_server: str
) -> Iterator[Range]:
    folder = tmp_path_factory.mktemp("range")
    with made_quickly(), shooting_range(folder, postgresql_server, mariadb_server) as made:
        yield made


def test_the_table_knows_every_fault_and_no_other_code_than_the_program_has() -> None:
    rows = table()
    assert list(rows) == list(FAULTS)
    known = set(get_args(FaultCode))
    for row in rows.values():
        assert row.follows <= known
        assert all(codes <= known for codes in row.named.values())
        assert row.named


def _levels(chance: random.Random, row: Row | None = None) -> tuple[LevelName, ...]:
    """Some levels; of a fault at least one that covers it. Fewer are likelier: they are quicker,
    and where no number of faults is asked for, there is one alone.
    """
    few = (1, 1, 2, 3, 5) if SEEDED else (0,)
    some = chance.sample(LEVELS, chance.choice(few))
    if row is not None and not row.named.keys() & set(some):
        some.append(chance.choice(sorted(row.named)))
    return tuple(level for level in LEVELS if level in some)


def _drilled(made: Range, **settings: Any) -> Drill:
    one = made.drilling(**settings)
    return drills.run_drill(one.service, one.operator, PLAN, lambda _: None, Event())


def test_every_seeded_fault_that_the_levels_cover_is_found_and_named(at: Range) -> None:
    rows, seed = table(), random.SystemRandom().getrandbits(64)
    count = SEEDED or len(FAULTS)
    missed: list[str] = []
    for number in range(count):
        kind = list(FAULTS)[number % len(FAULTS)]
        # Each of its own, so that one can be made again alone.
        chance = random.Random(f"{seed}/{number}")
        levels = _levels(chance, rows[kind])
        if kind == "file unreadable":
            # Its rights are given up by root, who hands scratch servers' folders to another then.
            levels = tuple(level for level in levels if level != "databases")
        words = ""
        try:
            words = FAULTS[kind](at, chance)
            found = _drilled(at, levels=levels)
        finally:
            at.reset()
        told = f"{seed}/{number} {kind} ({words}) by {', '.join(levels)}"
        missed += [f"{told}: {wrong}" for wrong in _wrong(rows[kind], levels, found)]
        assert at.left_behind() == [], told
    assert not missed, "\n".join([f"{len(missed)} of {count}:", *missed])


def _wrong(row: Row, levels: tuple[LevelName, ...], found: Drill) -> Iterator[str]:
    codes = {fault.code for fault in found.faults}
    wanted = {code for level in levels for code in row.named.get(level, ())}
    if found.passed is not False:
        yield f"not found; {found.levels}"
    elif not codes & wanted:
        yield f"named {sorted(codes)}, not {sorted(wanted)}"
    of_it = row.follows.union(*row.named.values())
    if codes - of_it:
        yield f"named {sorted(codes - of_it)}, too, which it is not"


def test_no_drill_of_a_sound_repository_finds_anything(at: Range) -> None:
    seed = random.SystemRandom().getrandbits(64)
    for number in range(CLEAN):
        chance = random.Random(f"{seed}/{number}")
        levels = LEVELS if number == 0 else _levels(chance) or ("repository", "files", "vault")
        told = [f"{seed}/{number}", ", ".join(levels)]
        try:
            settings = _life(at, chance, told)
            found = _drilled(at, levels=levels, **settings)
        finally:
            at.reset()
        assert found.faults == (), (told, found.faults)
        assert found.passed is True, (told, found.levels)
        assert at.left_behind() == [], told


def _life(made: Range, chance: random.Random, told: list[str]) -> dict[str, Any]:
    """What goes on in a company between, during and after backups; how the drill is set."""
    settings: dict[str, Any] = {
        "snapshot": chance.choice(("newest", "newest", "random", "turn")),
        "extent": chance.choice(("whole", "whole", "sample")),
        "gentle": chance.random() < 0.5,
        "tolerance": chance.choice((0.0, 0.0, 0.1)),
    }
    happenings = (_write, _write_meanwhile, _new_record, _back_up, _clock_is_off, _tidy_up)
    chosen = chance.sample(happenings, chance.randrange(4))
    # The clock last: while it is behind, nobody's rights have begun.
    for happening in sorted(chosen, key=lambda one: one is _clock_is_off):
        told.append(happening.__name__)
        happening(made, chance)
    told.append(str(settings))
    return settings


def _write(made: Range, chance: random.Random) -> None:
    """Files change after the backup."""
    file = made.files / f"new {chance.randrange(10**9)}.bin"
    file.write_bytes(chance.randbytes(chance.randrange(200_000)))
    made.undo.append(file.unlink)


def _write_meanwhile(made: Range, chance: random.Random) -> None:
    """Files are written, renamed and shut while a backup runs, as they are in every company."""
    busy = made.files / "deep" / "busy.log"
    busy.write_bytes(b"before")
    gone = made.files / f"gone {chance.randrange(10**9)}.tmp"
    gone.write_bytes(b"for a moment")

    def meanwhile(_staged: Path) -> None:
        busy.write_bytes(chance.randbytes(5000))
        busy.chmod(chance.choice((0o600, 0o640, 0o400)))
        gone.unlink()

    made.back_up(listed=meanwhile)
    made.undo.append(busy.unlink)


def _new_record(made: Range, chance: random.Random) -> None:
    """Records come and go after the backup."""
    name = f"pay-new-{chance.randrange(10**9)}"
    records.create_record(
        made.service, made.head, "payroll", name, payslip(employee=f"nv-{chance.randrange(10**6)}")
    )


def _back_up(made: Range, _chance: random.Random) -> None:
    """One more backup."""
    made.back_up()


def _clock_is_off(made: Range, chance: random.Random) -> None:
    """The machine's clock is off by some seconds, as clocks are."""
    made.hands.ahead = chance.uniform(-60, 60)


def _tidy_up(made: Range, _chance: random.Random) -> None:
    """Somebody runs restic's own cleaning on the repository."""
    engine = made.service.backups
    engine.restic.command.run(engine.repository("local"), "prune")
