"""A record as the present schema keeps it: moved, bound and indexed anew, and nothing said anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import insert, update

from secvault.errors import Damaged
from secvault.records import release
from secvault.records.collection import Collection
from secvault.records.schema_index import Index, Part
from secvault.store import Store, tables
from tests.records.ledger import (
    LATER,
    LEDGER,
    OPEN_FIELD,
    SEALED_FIELD,
    Ledger,
    changed,
    entry,
    opened,
    values,
)

STRICTER = changed(LEDGER, 2, month=SEALED_FIELD)
LAXER = changed(LEDGER, 3, month=SEALED_FIELD, account=OPEN_FIELD)


@pytest.fixture
def ledger(any_store: Store) -> Ledger:
    """With pay-1 at version 2, and pay-2 of the same subject."""
    made = opened(any_store)
    made.create(pay_1=entry("nv-1"), pay_2=entry("nv-1"))
    made.update("pay-1", {"note": "x"}, 1)
    return made


def test_a_field_that_became_sensitive_is_readable_at_once_and_sealed_when_resealed(
    ledger: Ledger,
) -> None:
    stricter = ledger.under(STRICTER)
    before = stricter.read("pay-1")
    assert before.value("month") == "2026-11"
    assert "month" in before.plain
    after = stricter.reseal("pay-1")
    assert after == stricter.read("pay-1")
    assert "month" in after.sealed
    assert "month" not in after.plain
    assert values(after) == values(before)
    assert (after.version, after.updated_at, after.created_at) == (
        before.version,
        before.updated_at,
        before.created_at,
    )
    assert (after.schema_version, after.data_key) == (2, before.data_key)
    assert {name: after.sealed[name] for name in before.sealed} == before.sealed
    # Nothing else was touched.
    assert "month" in stricter.read("pay-2").plain


def test_the_next_change_moves_a_field_too(ledger: Ledger) -> None:
    stricter = ledger.under(STRICTER)
    after = stricter.update("pay-1", {"note": "y"}, 2)
    assert (set(after.plain), after.schema_version) == ({"employee"}, 2)
    assert values(stricter.read("pay-1")) == {**entry("nv-1"), "note": "y"}


def test_a_field_that_became_normal_is_in_clear_and_out_of_the_index(ledger: Ledger) -> None:
    laxer = ledger.under(LAXER)
    for name in ("pay-1", "pay-2"):
        laxer.reseal(name)
    after = laxer.read("pay-1")
    assert after.plain == {"employee": "nv-1", "account": "0011002233445"}
    assert values(after) == {**entry("nv-1"), "note": "x"}
    assert laxer.tokens() == laxer.tokens_due()
    assert {row[1] for row in laxer.tokens()} == {"name"}


def test_an_index_that_the_schema_asks_for_is_made_of_what_was_there(ledger: Ledger) -> None:
    wider = Index(exact=40, last=Part(2, 8), version=2)
    indexed = ledger.under(
        changed(LEDGER, 2, note={"index": Index(exact=16)}, account={"index": wider})
    )
    assert indexed.tokens() != indexed.tokens_due()
    for name in ("pay-1", "pay-2"):
        indexed.reseal(name)
    assert indexed.tokens() == indexed.tokens_due()
    assert {row[3] for row in indexed.tokens() if row[1] == "account"} == {2}


def test_a_retired_field_stays_readable_and_leaves_the_index(ledger: Ledger) -> None:
    retired = ledger.under(changed(LEDGER, 2, account={"retired": True}))
    for name in ("pay-1", "pay-2"):
        retired.reseal(name)
    assert retired.read("pay-1").value("account") == "0011002233445"
    assert {row[1] for row in retired.tokens()} == {"name"}


def test_a_field_that_no_schema_knows_any_more_stays_where_it_is(ledger: Ledger) -> None:
    fields = {name: one for name, one in LEDGER.fields.items() if name not in ("note", "month")}
    fewer = ledger.under(replace(LEDGER, version=2, fields=fields))
    before = fewer.read("pay-1")
    after = fewer.reseal("pay-1")
    assert (after.plain, after.sealed) == (before.plain, before.sealed)
    assert after.value("note") == "x"


def test_another_subject_of_the_schema_moves_records_under_other_keys(ledger: Ledger) -> None:
    by_month = ledger.under(replace(LEDGER, version=2, subject_field="month"))
    before = ledger.read("pay-1")
    first = by_month.reseal("pay-1")
    assert (first.subject, values(first)) == ("2026-11", values(before))
    assert first.data_key != before.data_key
    assert ledger.subjects() == ["2026-11", "nv-1"]
    second = by_month.reseal("pay-2")
    assert second.data_key == first.data_key
    assert ledger.subjects() == ["2026-11"]
    assert by_month.tokens() == by_month.tokens_due()
    each_own = by_month.under(replace(LEDGER, version=3, subject_field=""))
    each_own.reseal("pay-1")
    assert ledger.subjects() == ["2026-11", "pay-1"]
    assert values(each_own.read("pay-1")) == values(before)


def test_a_content_of_an_earlier_record_of_the_same_id_is_left_alone(ledger: Ledger) -> None:
    """It stays as kept until it is collected; its data key may be gone."""
    ledger.delete("pay-2")
    ledger.delete("pay-1", 2)
    with ledger.store.write() as connection:
        connection.execute(
            insert(tables.attachment).values(
                id="a" * 32,
                collection="ledger",
                record="pay-1",
                field="note",
                state="kept",
                wrapped_key=b"under a data key that is gone",
                changed_at=LATER,
            )
        )
    before = ledger.rows(tables.attachment)
    ledger.create(pay_1=entry("nv-1"))
    by_month = ledger.under(replace(LEDGER, version=2, subject_field="month"))
    assert by_month.reseal("pay-1").subject == "2026-11"
    assert ledger.rows(tables.attachment) == before


def test_resealing_twice_changes_nothing_more(ledger: Ledger) -> None:
    stricter = ledger.under(STRICTER)
    stricter.reseal("pay-1")
    touched = (tables.record, tables.record_field, tables.data_key, tables.record_index)
    before = [stricter.rows(table) for table in touched]
    stricter.reseal("pay-1")
    assert [stricter.rows(table) for table in touched] == before


@pytest.mark.parametrize(
    "schema", [STRICTER, replace(LEDGER, version=2, subject_field="month")], ids=["key", "new key"]
)
def test_an_approval_holds_for_the_resealed_record(ledger: Ledger, schema: Collection) -> None:
    with ledger.store.write() as connection:
        given = release.approve(connection, ledger.read("pay-1"), "user:head", LATER)
    after = ledger.under(schema).reseal("pay-1")
    with ledger.store.read() as connection:
        approved = release.releases_of(connection, [after])
    assert approved == {"pay-1": given}


def test_damage_is_never_sealed_over(ledger: Ledger) -> None:
    with ledger.store.write() as connection:
        connection.execute(
            update(tables.record)
            .where(tables.record.c.id == "pay-1")
            .values(plain=b'{"employee":"nv-1","month":"2026-12"}')
        )
    touched = (tables.record, tables.record_field, tables.data_key, tables.record_index)
    before = [ledger.rows(table) for table in touched]
    with pytest.raises(Damaged, match="ledger/pay-1"):
        ledger.under(STRICTER).reseal("pay-1")
    assert [ledger.rows(table) for table in touched] == before
