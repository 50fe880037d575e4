"""Records of one data subject share a data key, which goes with the last of them."""

from __future__ import annotations

import pytest

from secvault.errors import Conflict, Damaged, NotFound
from secvault.records.record import subject_of
from secvault.store import Store, tables
from tests.records.ledger import LEDGER, Ledger, entry, opened, values


@pytest.fixture
def ledger(any_store: Store) -> Ledger:
    return opened(any_store)


def test_many_are_stored_at_once_and_come_back_as_they_were(ledger: Ledger) -> None:
    batch = {f"pay-{n:04}": entry(f"nv-{n % 7}", f"00110022{n:05}") for n in range(800)}
    made = ledger.create_all(batch)
    assert [record.id for record in made] == list(batch)
    found = ledger.read_all()
    assert list(found.values()) == list(made)
    assert {name: values(record) for name, record in found.items()} == batch
    assert ledger.subjects() == [f"nv-{n}" for n in range(7)]
    assert ledger.tokens() == ledger.tokens_due()
    assert ledger.create_all({}) == ()


def test_records_of_one_subject_share_a_key_and_those_of_others_do_not(ledger: Ledger) -> None:
    first, second = ledger.create(pay_1=entry("NV-0042"), pay_2=entry(" nv-0042 "))
    (third,) = ledger.create(pay_3=entry("nv-0042"))
    other, nobody = ledger.create(pay_4=entry("nv-0043"), pay_5=entry(None))
    assert {record.subject for record in (first, second, third)} == {"nv-0042"}
    assert first.data_key == second.data_key == third.data_key
    assert (other.subject, nobody.subject) == ("nv-0043", "pay-5")
    assert len({one.data_key.expose() for one in (first, other, nobody)}) == 3
    assert ledger.subjects() == ["nv-0042", "nv-0043", "pay-5"]
    assert list(ledger.read_all().values()) == [first, second, third, other, nobody]


def test_where_the_schema_names_no_field_each_record_is_a_subject(ledger: Ledger) -> None:
    assert subject_of(LEDGER, "pay-1", {"employee": ""}) == "pay-1"
    assert subject_of(LEDGER, "pay-1", {"employee": " NV  7 "}) == "nv 7"


def test_an_id_of_a_batch_that_is_taken_leaves_nothing_of_it(ledger: Ledger) -> None:
    ledger.create(pay_2=entry("nv-1"))
    before = [ledger.rows(table) for table in (tables.record, tables.data_key)]
    with pytest.raises(Conflict, match="ledger/pay-2 exists already"):
        ledger.create(pay_1=entry("nv-2"), pay_2=entry("nv-2"), pay_3=entry("nv-3"))
    assert [ledger.rows(table) for table in (tables.record, tables.data_key)] == before


def test_the_key_goes_with_the_last_record_and_not_before(ledger: Ledger) -> None:
    ledger.create(pay_1=entry("nv-1"), pay_2=entry("nv-1"), pay_3=entry("nv-2"))
    old = ledger.read("pay-1").data_key
    ledger.delete("pay-1")
    assert ledger.subjects() == ["nv-1", "nv-2"]
    assert values(ledger.read("pay-2")) == entry("nv-1")
    ledger.delete("pay-2")
    assert ledger.subjects() == ["nv-2"]
    (new,) = ledger.create(pay_1=entry("nv-1"))
    assert new.data_key != old
    assert ledger.tokens() == ledger.tokens_due()


def test_a_record_that_is_named_like_the_subject_of_another_keeps_its_key(ledger: Ledger) -> None:
    """Its subject is its id, which is the number of an employee too."""
    ledger.create(nv_1=entry(None), pay_1=entry("nv-1"))
    assert ledger.subjects() == ["nv-1"]
    ledger.delete("pay-1")
    assert values(ledger.read("nv-1")) == entry(None)
    ledger.create(pay_1=entry("nv-1"))
    ledger.delete("nv-1")
    assert values(ledger.read("pay-1")) == entry("nv-1")
    ledger.delete("pay-1")
    assert ledger.subjects() == []


def test_a_record_that_changes_its_subject_goes_under_the_other_key(ledger: Ledger) -> None:
    before, sibling = ledger.create(pay_1=entry("nv-1"), pay_2=entry("nv-1"))
    (other,) = ledger.create(pay_3=entry("nv-2"))
    after = ledger.update("pay-1", {"employee": "nv-2"}, 1)
    assert after == ledger.read("pay-1")
    assert values(after) == entry("nv-2")
    assert (after.subject, after.data_key) == ("nv-2", other.data_key)
    assert not set(after.sealed.values()) & set(before.sealed.values())
    # Who had the envelopes and the key of before opens nothing of what is there now.
    with pytest.raises(Damaged):
        type(after)(**{**vars(after), "data_key": before.data_key}).value("account")
    assert ledger.read("pay-2") == sibling
    assert ledger.subjects() == ["nv-1", "nv-2"]
    ledger.update("pay-2", {"employee": None, "note": "left", "account": "999999"}, 1)
    assert ledger.subjects() == ["nv-2", "pay-2"]
    assert values(ledger.read("pay-2")) == {**entry(None, "999999"), "note": "left"}
    assert ledger.tokens() == ledger.tokens_due()


def test_a_new_spelling_of_the_same_subject_moves_nothing(ledger: Ledger) -> None:
    (before,) = ledger.create(pay_1=entry("nv-1"))
    after = ledger.update("pay-1", {"employee": "NV-1"}, 1)
    assert after.sealed == before.sealed
    assert values(ledger.read("pay-1")) == entry("NV-1")


def test_what_is_erased_with_its_key_is_damage_and_not_a_new_key(ledger: Ledger) -> None:
    ledger.create(pay_1=entry("nv-1"))
    with ledger.store.write() as connection:
        connection.execute(tables.data_key.delete())
    with pytest.raises(Damaged, match="the data key of ledger/nv-1 is gone"):
        ledger.update("pay-1", {"note": "x"}, 1)
    # A new record of the subject has a new key; the old one stays lost.
    ledger.create(pay_2=entry("nv-1"))
    with pytest.raises(Damaged):
        ledger.read("pay-1")
    ledger.delete("pay-1")
    assert values(ledger.read("pay-2")) == entry("nv-1")


def test_the_index_follows_every_change(ledger: Ledger) -> None:
    ledger.create(pay_1=entry("nv-1"), pay_2=entry("nv-1", "123456"))
    for version, changes in enumerate(
        (
            {"account": "999999"},
            {"account": None},
            {"name": "Trần", "note": "x"},
            {"name": None, "month": "2026-12"},
            {"account": "123456", "name": "Lê Văn Minh", "employee": "nv-2"},
        ),
        start=1,
    ):
        ledger.update("pay-1", changes, version)
        assert ledger.tokens() == ledger.tokens_due()
    ledger.delete("pay-2")
    assert ledger.tokens() == ledger.tokens_due()
    ledger.delete("pay-1", 6)
    assert ledger.tokens() == set()


def test_rewrapping_changes_data_keys_and_no_other_row(ledger: Ledger) -> None:
    ledger.create_all({f"pay-{n}": entry(f"nv-{n % 3}") for n in range(7)})
    others = (tables.record, tables.record_field, tables.record_index)
    before = [ledger.rows(table) for table in others]
    records, subjects = ledger.read_all(), ledger.subjects()
    ledger.rotate()
    assert ledger.rewrap() == 3
    assert ledger.key_versions() == [2, 2, 2]
    assert [ledger.rows(table) for table in others] == before
    assert (ledger.read_all(), ledger.subjects()) == (records, subjects)
    assert ledger.rewrap() == 0


def test_what_is_not_there_is_not_found(ledger: Ledger) -> None:
    with pytest.raises(NotFound):
        ledger.reseal("pay-1")
