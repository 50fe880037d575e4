"""Schemas as data: what differs between two, and whether records are stored alike by both."""

from __future__ import annotations

import pytest

from secvault.config import shipped_policies
from secvault.crypto.canonical import canonical_json, parse_canonical
from secvault.records.collection_files import load_collections, parse_collections
from secvault.records.schema_description import (
    Description,
    closed_by,
    described,
    differences,
    kept_alike,
)
from tests.records.test_schema_keys import FILE

SHIPPED = load_collections(shipped_policies() / "collections")


def schema(*edits: tuple[str, str]) -> Description:
    text = FILE
    for was, becomes in edits:
        assert was in text, was
        text = text.replace(was, becomes, 1)
    return described(parse_collections({"hr.toml": text})["payroll"])


def changes(*edits: tuple[str, str]) -> list[tuple[str, str]]:
    return list(differences(schema(), schema(*edits)))


def test_a_description_is_stored_and_read_again_as_it_is() -> None:
    for collection in SHIPPED.values():
        here = described(collection)
        assert parse_canonical(canonical_json(here)) == here
        assert kept_alike(here, here)
        assert not list(differences(here, here))


def test_the_bytes_of_a_description_do_not_change_by_accident() -> None:
    text = """
department = "hr"
title = { en = "HR" }
[collections.c]
title = { en = "C" }
version = 7
person = "id"
subject = "who"
retention = { months = 6, from = "created_at", reason = { en = "Law" } }
[collections.c.fields.who]
title = { en = "Who" }
type = "text"
class = "normal"
required = true
[collections.c.fields.pay]
title = { en = "Pay" }
type = "decimal"
class = "salary"
mask = "hidden"
decimals = 0
minimum = "0"
index = { exact = 32 }
deidentify = { how = "band", step = "5" }
"""
    collection = parse_collections({"hr.toml": text})["c"]
    # Vaults keep this of each version: another form of the same schema would be another schema.
    assert canonical_json(described(collection)) == (
        b'{"fields":{"pay":{"class":"salary","decimals":0,"deidentify":{"how":"band","step":"5"},'
        b'"index":{"exact":32,"version":1},"mask":"hidden","minimum":"0","type":"decimal"},'
        b'"who":{"class":"normal","required":true,"type":"text"}},"person":"id",'
        b'"retention":{"from":"created_at","months":6,"years":0},"subject":"who"}'
    )


def test_titles_the_words_of_a_reason_and_the_number_are_no_part_of_a_schema() -> None:
    assert not changes(('en = "Payroll"', 'en = "Wages"'))
    assert not changes(('en = "Account"', 'en = "Bank account"'))
    assert not changes(('vi = "Luật"', 'vi = "Luật mới"'))
    assert not changes(("version = 3", "version = 4"))


@pytest.mark.parametrize(
    ("edit", "field", "said"),
    [
        (('class = "bank"', 'class = "identity"'), "account", "class bank, then identity"),
        (('mask = "last4"', 'mask = "hidden"'), "account", "mask last4, then hidden"),
        (
            ("exact = 32", "exact = 24"),
            "account",
            "index exact 32 prefix (length 4 bits 16) last (length 5 bits 12) version 2, then",
        ),
        (("retired = true\n", ""), "note", "in use again"),
        (('mask = "year"', 'mask = "year"\nretired = true'), "born_on", "retired"),
        (('type = "integer"', 'type = "decimal"'), "days", "type integer, then decimal"),
        (("fields.days]", "fields.day]"), "day", "added, integer of class salary"),
        (("required = true\n", "required = true\nmax_length = 9\n"), "employee", "max_length none"),
        (('subject = "employee"\n', ""), "", "subject employee, then none"),
        (("years = 10", "years = 5"), "", "retention years 10 months 6 from paid_on, then years 5"),
    ],
)
def test_each_difference_is_told_at_its_field(edit: tuple[str, str], field: str, said: str) -> None:
    assert any(name == field and said in text for name, text in changes(edit)), changes(edit)


ALIKE = [
    ('mask = "last4"', 'mask = "hidden"'),
    ('class = "bank"', 'class = "identity"'),
    ("years = 10", "years = 5"),
    ("required = true\n", "required = true\nmax_length = 9\n"),
    ("fields.days]", "fields.other]"),
    ('mask = "hidden"\nretired = true', 'mask = "hidden"'),
    ('deidentify = "month"', 'deidentify = "year"'),
]
OTHERWISE = [
    ("exact = 32", "exact = 24"),
    ("index.version = 2", "index.version = 3"),
    ('type = "integer"\nclass = "salary"\nmask = "hidden"', 'type = "integer"\nclass = "normal"'),
    ('subject = "employee"\n', ""),
    ('index = { range = { by = "1000000", bits = 16 } }\n', ""),
    # No index is kept of what is retired.
    ('mask = "year"', 'mask = "year"\nretired = true'),
]


@pytest.mark.parametrize("edit", ALIKE)
def test_records_need_no_migration_where_nothing_stored_differs(edit: tuple[str, str]) -> None:
    assert kept_alike(schema(), schema(edit))
    assert kept_alike(schema(edit), schema())


@pytest.mark.parametrize("edit", OTHERWISE)
def test_records_need_one_where_sealing_index_or_subject_differ(edit: tuple[str, str]) -> None:
    assert not kept_alike(schema(), schema(edit))
    assert not kept_alike(schema(edit), schema())


def test_what_was_in_clear_and_is_sensitive_now_is_named() -> None:
    opened = (
        'type = "integer"\nclass = "salary"\nmask = "hidden"',
        'type = "integer"\nclass = "normal"',
    )
    assert closed_by(schema(opened), schema()) == ("days",)
    assert closed_by(schema(), schema(opened)) == ()
