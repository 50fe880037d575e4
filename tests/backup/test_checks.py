"""Checks of a plan's repositories, with the real restic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from secvault.backup import checks
from secvault.backup.checks import ALL, STRUCTURE, Check, Reading
from secvault.backup.claims import PlanBusy
from secvault.backup.repository import KEYS
from secvault.backup.repository_faults import RepositoryDamaged, RepositoryMissing
from secvault.store import tables
from tests.backup.small_vault import PLAN, SmallVault, small_vault

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[SmallVault]:
    with small_vault(tmp_path) as made:
        made.back_up()
        yield made


def check(vault: SmallVault, check_id: str, reading: Reading) -> Check:
    checks.begin(vault.engine, PLAN, check_id, "user:thu")
    with vault.engine.at_work(tables.backup_check, check_id, "the check") as stop:
        checks.check_all(vault.engine, PLAN, check_id, reading, stop)
        with vault.engine.store.write() as connection:
            checks.finish(vault.engine, connection, check_id)
    return checks.read_check(vault.engine, check_id)


def test_checks_take_turns_through_all_the_data_of_all_repositories(vault: SmallVault) -> None:
    day = 86_400_000_000
    read: list[str] = []
    for number in range(3):
        now = vault.engine.clock.micros()
        coming = tuple(now + n * 7 * day for n in range(1, 4))
        done = check(vault, f"check-{number}", Reading(days=21, parts=3, coming=coming))
        assert (done.state, done.passed) == ("done", True)
        assert [one.repository for one in done.repositories] == ["local", f"local{KEYS}"]
        assert {one.read for one in done.repositories} == {done.repositories[0].read}
        read.append(done.repositories[0].read)
        vault.hands.seconds += 7 * 86_400
    assert read == ["1/3", "2/3", "3/3"]
    # A check was left out: the next reads what has become overdue, too.
    vault.hands.seconds += 7 * 86_400
    now = vault.engine.clock.micros()
    coming = (now + 7 * day, now + 14 * day)
    done = check(vault, "check-late", Reading(days=21, parts=3, coming=coming))
    assert done.repositories[0].read == "1/3,2/3"


@pytest.mark.parametrize("what", [STRUCTURE, ALL, "50%"])
def test_how_much_is_read_can_be_said(vault: SmallVault, what: str) -> None:
    done = check(vault, "check-1", Reading(what, days=21, parts=3))
    assert {one.read for one in done.repositories} == {what}


def test_damage_is_found_named_and_kept_and_the_other_repositories_are_looked_at(
    vault: SmallVault,
) -> None:
    (*_, largest) = vault.packs()
    largest.chmod(0o600)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)

    with pytest.raises(RepositoryDamaged, match="the repository local"):
        check(vault, "check-1", Reading(ALL))

    found = checks.read_check(vault.engine, "check-1")
    assert (found.state, found.passed) == ("failed", False)
    assert "local" in (found.error or "")
    first, second = found.repositories
    assert (first.passed, second.passed) == (False, True)
    assert any(largest.name in one for one in first.damaged)
    assert checks.newest_checks(vault.engine, 5, plan=PLAN) == (found,)
    assert checks.newest_checks(vault.engine, 5, plan="weekly") == ()


def test_a_repository_that_is_away_does_not_keep_its_copies_from_being_read(
    vault: SmallVault,
) -> None:
    vault = vault.planned(copies=("far",))
    vault.back_up("run-2")
    away = vault.folder / "repository"
    away.rename(vault.folder / "away")
    with pytest.raises(RepositoryMissing):
        check(vault, "check-1", Reading(ALL))
    found = checks.read_check(vault.engine, "check-1")
    assert found.state == "failed"
    read = {one.repository: one.read for one in found.repositories}
    assert {read.get("far"), read.get("local")} == {ALL, None}

    (vault.folder / "away").rename(away)
    done = check(vault, "check-1", Reading(ALL))
    assert (done.state, done.passed, len(done.repositories)) == ("done", True, 4)


def test_a_check_that_goes_on_looks_at_what_is_left(vault: SmallVault) -> None:
    checks.begin(vault.engine, PLAN, "check-1", "user:thu")
    checks._check_one(vault.engine, "check-1", "local", Reading(STRUCTURE), Event())
    first = checks.read_check(vault.engine, "check-1").repositories[0]
    vault.hands.seconds += 60
    done = check(vault, "check-1", Reading(ALL))
    assert done.repositories[0] == first
    assert [one.read for one in done.repositories] == [STRUCTURE, ALL]


def test_a_plan_is_checked_once_at_a_time(vault: SmallVault) -> None:
    checks.begin(vault.engine, PLAN, "check-1", "user:thu")
    with pytest.raises(PlanBusy, match="being checked"):
        checks.begin(vault.engine, PLAN, "check-2", "user:thu")
