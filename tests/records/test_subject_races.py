"""Whoever creates, moves, deletes and re-wraps at the same moment, no record is without its key."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from secvault.errors import Conflict, NotFound, SecvaultError, VersionMismatch
from secvault.store import Store, tables
from tests.records.ledger import Ledger, entry, opened, values

ROUNDS = 12


@pytest.fixture
def ledger(any_store: Store) -> Ledger:
    return opened(any_store)


def at_once(*acts: Callable[[], object]) -> list[SecvaultError | None]:
    """Run all of them, begun together; what each failed with."""
    start = Barrier(len(acts), timeout=120)

    def run(act: Callable[[], object]) -> SecvaultError | None:
        start.wait()
        try:
            act()
        except SecvaultError as error:
            return error
        return None

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_those_who_create_the_first_records_of_a_subject_share_one_key(ledger: Ledger) -> None:
    for turn in range(ROUNDS):
        acts = [
            lambda who=who, turn=turn: ledger.create_all(  # type: ignore[misc]
                {f"pay-{turn}-{who}": entry(f"nv-{turn}"), f"own-{turn}-{who}": entry(None)}
            )
            for who in range(4)
        ]
        assert at_once(*acts) == [None] * 4
    found = ledger.read_all()
    assert len(found) == ROUNDS * 8
    for turn in range(ROUNDS):
        keys = {found[f"pay-{turn}-{who}"].data_key.expose() for who in range(4)}
        assert len(keys) == 1
    assert ledger.tokens() == ledger.tokens_due()


def test_batches_of_the_same_subjects_in_other_orders_do_not_block_each_other(
    ledger: Ledger,
) -> None:
    people = [f"nv-{n}" for n in range(20)]
    for turn in range(ROUNDS // 2):
        acts = [
            lambda who=who, turn=turn: ledger.create_all(  # type: ignore[misc]
                {
                    f"pay-{turn}-{who}-{person}": entry(f"{person}-{turn}")
                    for person in (people if who % 2 else reversed(people))
                }
            )
            for who in range(3)
        ]
        assert at_once(*acts) == [None] * 3
    assert len(ledger.read_all()) == ROUNDS // 2 * 3 * len(people)


def test_a_record_created_while_the_last_of_its_subject_goes_has_a_key(ledger: Ledger) -> None:
    for turn in range(ROUNDS):
        old, new = f"old-{turn}", f"new-{turn}"
        ledger.create_all({old: entry(f"nv-{turn}")})
        failed = at_once(
            lambda old=old: ledger.delete(old),  # type: ignore[misc]
            lambda new=new, turn=turn: ledger.create_all(  # type: ignore[misc]
                {new: entry(f"nv-{turn}")}
            ),
        )
        assert failed == [None, None]
        assert values(ledger.read(new)) == entry(f"nv-{turn}")
    assert ledger.subjects() == sorted(f"nv-{turn}" for turn in range(ROUNDS))
    assert ledger.tokens() == ledger.tokens_due()


def test_of_those_who_delete_the_last_two_records_one_takes_the_key(ledger: Ledger) -> None:
    for turn in range(ROUNDS):
        ledger.create_all({f"a-{turn}": entry("nv-1"), f"b-{turn}": entry("nv-1")})
        failed = at_once(
            lambda turn=turn: ledger.delete(f"a-{turn}"),  # type: ignore[misc]
            lambda turn=turn: ledger.delete(f"b-{turn}"),  # type: ignore[misc]
        )
        assert failed == [None, None]
        assert ledger.subjects() == []


def test_a_record_created_under_the_id_of_one_that_goes_is_there_or_refused(
    ledger: Ledger,
) -> None:
    for turn in range(ROUNDS):
        ledger.create_all({"pay-1": entry("nv-1")})
        _, refused = at_once(
            lambda: ledger.delete("pay-1"),
            lambda: ledger.create_all({"pay-1": entry("nv-1", f"{123456 + turn}")}),  # noqa: B023
        )
        if refused is None:
            assert values(ledger.read("pay-1")) == entry("nv-1", f"{123456 + turn}")
            ledger.delete("pay-1")
        else:
            assert isinstance(refused, Conflict)
        assert ledger.subjects() == []


def test_two_records_that_take_each_others_subject_both_arrive(ledger: Ledger) -> None:
    for turn in range(ROUNDS):
        a, b = f"a-{turn}", f"b-{turn}"
        ledger.create_all({a: entry(f"nv-{turn}-1"), b: entry(f"nv-{turn}-2")})
        failed = at_once(
            lambda a=a, turn=turn: ledger.update(  # type: ignore[misc]
                a, {"employee": f"nv-{turn}-2"}, 1
            ),
            lambda b=b, turn=turn: ledger.update(  # type: ignore[misc]
                b, {"employee": f"nv-{turn}-1"}, 1
            ),
        )
        assert failed == [None, None]
        assert values(ledger.read(a)) == entry(f"nv-{turn}-2")
        assert values(ledger.read(b)) == entry(f"nv-{turn}-1")


def test_a_rotation_and_rewrapping_meanwhile_lose_no_record(ledger: Ledger) -> None:
    for turn in range(ROUNDS):
        ledger.create_all({f"gone-{turn}": entry(f"gone-{turn}")})
        ledger.create_all({f"kept-{turn}": entry(f"nv-{turn % 3}")})
        failed = at_once(
            lambda: (ledger.rotate(), ledger.rewrap()),
            lambda turn=turn: ledger.create_all(  # type: ignore[misc]
                {f"new-{turn}": entry(f"nv-{turn % 5}"), f"own-{turn}": entry(None)}
            ),
            lambda turn=turn: ledger.delete(f"gone-{turn}"),  # type: ignore[misc]
            lambda turn=turn: ledger.update(  # type: ignore[misc]
                f"kept-{turn}", {"employee": f"nv-{turn % 4}", "note": "x"}, 1
            ),
        )
        assert failed == [None] * 4
    found = ledger.read_all()
    assert len(found) == 3 * ROUNDS
    assert {str(one.value("account")) for one in found.values()} == {"0011002233445"}
    ledger.rewrap()
    assert set(ledger.key_versions()) == {1 + ROUNDS}
    assert ledger.read_all() == found


def test_updates_and_deletes_of_one_record_leave_it_whole_or_gone(ledger: Ledger) -> None:
    for turn in range(ROUNDS):
        ledger.create_all({"pay-1": entry("nv-1"), "pay-2": entry("nv-2")})
        moved, deleted = at_once(
            lambda: ledger.update("pay-1", {"employee": "nv-2", "account": "999999"}, 1),
            lambda: ledger.delete("pay-1"),
        )
        if deleted is None:
            assert isinstance(moved, NotFound)
            assert ledger.subjects() == ["nv-2"], turn
        else:
            assert isinstance(deleted, VersionMismatch)
            assert values(ledger.read("pay-1")) == entry("nv-2", "999999")
            assert ledger.subjects() == ["nv-2"]
            ledger.delete("pay-1", 2)
        ledger.delete("pay-2")
        assert ledger.count(tables.record_index) == 0
