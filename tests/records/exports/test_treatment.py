"""De-identified rows: what the schema says is done, and nobody is named whatever it says."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from secvault.config import shipped_policies
from secvault.crypto.canonical import JsonValue
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.identity.names import compared
from secvault.records.collection import Field, Sensitivity
from secvault.records.collection_files import load_collections
from secvault.records.exports.pseudonym import Pseudonyms, purpose_of
from secvault.records.exports.shuffle import Shuffle
from secvault.records.exports.treatment import how_of, treatment_of
from secvault.records.schema_deidentify import Deidentify, How
from secvault.records.value import FieldType

SECRET = Secret(bytes(range(32)))
NAMES = Pseudonyms(SECRET)
COLLECTIONS = load_collections(shipped_policies() / "collections")
PAYROLL, EMPLOYEES = COLLECTIONS["payroll"], COLLECTIONS["employees"]
MONEY: JsonValue = {"amount": "31500000", "currency": "VND"}
DIRECT = {
    FieldType.EMAIL,
    FieldType.PHONE,
    FieldType.ACCOUNT,
    FieldType.IDENTITY_NUMBER,
    FieldType.TAX_CODE,
    FieldType.SOCIAL_INSURANCE_NUMBER,
    FieldType.IBAN,
    FieldType.CARD,
}


@dataclass(frozen=True)
class Kept:
    """A record as it lies there."""

    id: str
    values: Mapping[str, JsonValue]

    @property
    def field_names(self) -> tuple[str, ...]:
        return tuple(self.values)

    def value(self, field: str) -> JsonValue:
        return self.values[field]


SLIP = Kept(
    "pay-1",
    {
        "employee": "NV-0042",
        "full_name": "Phạm Thị Kiều Oanh",
        "month": "2026-11",
        "working_days": "22",
        "gross_salary": MONEY,
        "bank_account": "0071000123456",
        "bank": "VCB",
        "paid_on": "2026-11-30",
        "status": "paid",
        "note": "see Oanh",
    },
)


def test_a_payslip_has_a_pseudonym_bands_and_no_name() -> None:
    treatment = treatment_of(PAYROLL, (), "en")
    names = [column.name for column in treatment.columns]
    row = dict(zip(names, treatment.row(SLIP, NAMES), strict=True))
    assert row["employee"] == NAMES.of("employee", "nv-0042")
    assert row["gross_salary_from"] == 31_000_000
    assert row["gross_salary_currency"] == "VND"
    assert not {"id", "full_name", "bank_account", "note"} & {*row}
    told = " ".join(str(cell) for cell in row.values())
    for secret in ("Oanh", "0071000123456", "31500000", "pay-1", "0042"):
        assert secret not in told


def test_one_person_is_one_pseudonym_in_every_collection_of_a_project() -> None:
    employees, payroll = treatment_of(EMPLOYEES, (), "en"), treatment_of(PAYROLL, (), "en")
    of_person = employees.row(Kept("nv-0042", {}), NAMES)[0]
    at = [column.name for column in payroll.columns].index("employee")
    assert payroll.row(SLIP, NAMES)[at] == of_person
    assert Pseudonyms(Secret(bytes(32))).of("employee", "nv-0042") != of_person


def test_the_bytes_of_a_pseudonym_stay_as_published() -> None:
    label, domain = b"secvault/pseudonym", b"employee"
    info = b"".join(len(one).to_bytes(4, "big") + one for one in (label, domain))
    key = HKDF(SHA256(), 32, None, info).derive(SECRET.expose())
    digest = hmac.new(key, b"nv-0042", hashlib.sha256).digest()
    assert NAMES.of("employee", "NV-0042") == "p" + b32encode(digest[:15]).decode().lower()
    assert NAMES.of("employee", "nv-0042") == "ppazuzafkh66fsklcwfkmspbt"


@given(st.text(min_size=1), st.text(min_size=1))
def test_pseudonyms_are_alike_for_equal_values_only(one: str, other: str) -> None:
    assert (NAMES.of("d", one) == NAMES.of("d", other)) is (compared(one) == compared(other))
    assert NAMES.of("d", one) != NAMES.of("e", one)


def _all_fields() -> list[tuple[str, Field]]:
    return [(name, field) for name, one in COLLECTIONS.items() for field in one.fields.values()]


@pytest.mark.parametrize("how", How)
def test_what_names_somebody_is_never_there_whatever_the_schema_says(how: How) -> None:
    step = "10" if how is How.BAND else ""
    for name, field in _all_fields():
        told = how_of(COLLECTIONS[name], replace(field, deidentify=Deidentify(how, step=step)))
        direct = field.type in DIRECT or field.sensitivity is Sensitivity.IDENTITY
        if direct or field.limits.multi_line or field.type is FieldType.ATTACHMENT:
            assert told.how is not How.KEEP, (name, field.name)
        if field.type is FieldType.TEXT and field.sensitivity is Sensitivity.PERSONAL:
            assert told.how is not How.KEEP, (name, field.name)


def test_no_shipped_collection_shows_a_name_a_number_or_free_text() -> None:
    for name, field in _all_fields():
        if field.deidentify is None and field.sensitive:
            assert how_of(COLLECTIONS[name], field).how is How.DROP
        if how_of(COLLECTIONS[name], field).how is How.KEEP:
            assert field.type not in DIRECT
            assert not field.limits.multi_line


def test_what_is_studied_is_no_quasi_identifier_unless_it_is_named() -> None:
    treatment = treatment_of(PAYROLL, (), "en")
    quasi = {treatment.columns[at].name for at in treatment.quasi}
    studied = {treatment.columns[at].name for at in treatment.sensitive}
    assert "gross_salary_from" in studied
    assert "paid_on" in quasi
    assert "employee" not in quasi | studied
    named = treatment_of(PAYROLL, ("gross_salary",), "en")
    assert {"gross_salary_from", "paid_on"} <= {named.columns[at].name for at in named.quasi}


@pytest.mark.parametrize("name", ["full_name", "nothing", "x" * 300])
def test_a_quasi_identifier_that_is_not_shown_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        treatment_of(PAYROLL, (name,), "en")


@pytest.mark.parametrize("name", ["", "A", "a b", "é", "a" * 49, "1a", "a/b"])
def test_a_project_has_a_plain_name(name: str) -> None:
    with pytest.raises(InvalidInput):
        purpose_of(name)


def test_ids_come_back_once_each_in_an_order_of_the_keys_alone() -> None:
    drawn = iter(range(1000, 0, -1))
    with Shuffle(lambda size: next(drawn).to_bytes(size, "big")) as shuffle:
        shuffle.add(f"r-{number}" for number in range(600))
        shuffle.add(f"r-{number}" for number in range(600, 1000))
        batches = list(shuffle.batches(500))
    assert [len(batch) for batch in batches] == [500, 500]
    assert [one for batch in batches for one in batch] == [
        f"r-{number}" for number in range(999, -1, -1)
    ]
