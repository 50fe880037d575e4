"""The copy's audit log is what the live one began with, or the level says what else it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from secvault.audit import publication, rollback
from secvault.service import Service, log_signing
from secvault.service.audit_places import targets_of
from secvault.service.drill_levels import own_levels
from tests.running_service import House, copied, furnish, signed_in
from tests.service.drill_levels.saved_house import (
    Drilled,
    back_up,
    codes,
    fact,
    ground_of,
    present,
)

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]

NOT_OURS = "audit-log-not-of-the-live-one"


@dataclass
class Twins:
    """Two vaults that were one until now: each goes on for itself."""

    folder: Path
    live: House
    other: House
    closing: ExitStack

    def busy(self, house: House, times: int) -> Service:
        service = self.closing.enter_context(house.open())
        for _ in range(times):
            signed_in(service, house, "head")
        service.audit.drain()
        log_signing.sign_now(service)
        return service

    def drill(self, live: Service, saved: Service) -> Drilled:
        """A drill in the one vault, of what the other has saved."""
        levels = self.closing.enter_context(own_levels(live))
        return Drilled(live, ground_of(saved, self.folder / "drill"), levels)


@pytest.fixture
def twins(saved_once: House, tmp_path: Path) -> Iterator[Twins]:
    houses = [copied(saved_once, tmp_path / name) for name in ("live", "other")]
    for house in houses:
        house.hands.seconds = present().seconds
    with ExitStack() as closing:
        yield Twins(tmp_path, houses[0], houses[1], closing)


def test_checkpoints_and_head_of_the_live_log_continue_the_copy(twins: Twins) -> None:
    live = twins.busy(twins.live, 2)
    back_up(live)
    for _ in range(3):
        signed_in(live, twins.live, "head")
    drill = twins.drill(live, live)
    result = drill.vault()
    assert codes(result) == []
    assert int(fact(result, "checkpoints-compared")) >= 1
    assert int(fact(result, "audit-entries-lost")) >= 3


def test_a_log_that_went_on_otherwise_is_not_ours_though_it_is_whole_and_signed_by_our_keys(
    twins: Twins,
) -> None:
    other = twins.busy(twins.other, 2)
    back_up(other)
    live = twins.busy(twins.live, 9)
    result = twins.drill(live, other).vault()
    assert set(codes(result)) == {NOT_OURS}
    assert any("no proof leads" in fault.words for fault in result.faults)
    assert any("checkpoint of size" in fault.where for fault in result.faults)


def test_a_copy_with_more_than_the_live_log_has_is_not_of_it(twins: Twins) -> None:
    other = twins.busy(twins.other, 9)
    back_up(other)
    live = twins.busy(twins.live, 1)
    result = twins.drill(live, other).vault()
    assert codes(result) == [NOT_OURS]


def test_a_live_log_that_contradicts_what_it_signed_proves_nothing(twins: Twins) -> None:
    other = twins.busy(twins.other, 3)
    live = twins.busy(twins.live, 1)
    back_up(live)
    rollback.remember(twins.live.settings.data_folder, log_signing.sign_now(other).note)
    result = twins.drill(live, live).vault()
    assert codes(result) == [NOT_OURS]


def test_a_published_checkpoint_that_contradicts_both_is_found(
    twins: Twins, tmp_path: Path
) -> None:
    place = tmp_path / "published"
    more = {"SECVAULT_AUDIT__PUBLICATIONS__SHELF__LOCATION": str(place)}
    twins.live = replace(twins.live, more=more)
    other = twins.busy(twins.other, 1)
    live = twins.busy(twins.live, 4)
    back_up(live)
    origin = live.signing.audit.name
    target = targets_of(twins.live.settings, origin, {})["shelf"]
    note = log_signing.sign_now(other).note
    target.place.put_newest(f"{target.base}/checkpoint", note, 0)
    assert publication.newest_published(target.place, target.base, 0) == note
    result = twins.drill(live, live).vault()
    assert codes(result) == [NOT_OURS]
    assert "shelf" in result.faults[0].words


def test_the_database_of_another_company_is_told_for_that(
    house: House, tmp_path: Path, quick_repositories: None
) -> None:
    del quick_repositories
    another = furnish(tmp_path / "another", present())
    with house.open() as live, another.open() as saved:
        back_up(saved)
        with own_levels(live) as levels:
            ground = ground_of(saved, tmp_path / "drill")
            proven = levels.vault(ground)
            served = levels.service(ground)
    assert codes(proven) == [NOT_OURS]
    assert "another vault" in proven.faults[0].words
    assert served.verdict == "not tested"
