"""The report on what is held on a person: all that the reporter may see, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from secvault.errors import InvalidInput, Refused
from secvault.records.subject_report_pdf import LANGUAGES, WORDS, subject_report_pdf
from secvault.service import records
from secvault.service.erasing import subject_report
from tests.running_service import join
from tests.service.erasing.office import BINH, EMPLOYEE, KIEU, NAME, Office

HOSTILE = '#panic("x") $ \\u{41} ]#[ *b* <h> // @x'


def fields_of(document: dict[str, Any], record: str) -> dict[str, Any]:
    (found,) = [
        one for section in document["sections"] for one in section["records"] if one["id"] == record
    ]
    return {field["name"]: field for field in found["fields"]}


def test_it_has_every_record_on_the_person_and_none_on_others(office: Office) -> None:
    made = subject_report.report(office.service, office.head, "NV-0042")
    ids = sorted(one["id"] for section in made["sections"] for one in section["records"])
    assert ids == [KIEU, "p-42-2026-09", "p-42-2026-10", "pay-0042"]
    assert made["records"] == 4
    assert {one["department"] for one in made["covers"]} == {"hr"}
    assert fields_of(made, KIEU)["full_name"]["value"] == NAME
    assert fields_of(made, "pay-0042")["bank_account"]["value"] == "•••3456"
    assert "Lê Văn Bình" not in json.dumps(made, ensure_ascii=False)
    (payroll,) = [one for one in made["sections"] if one["collection"] == "payroll"]
    assert payroll["retention"]["period"]


def test_who_looked_at_a_record_stands_in_it(office: Office) -> None:
    records.read_field(office.service, office.head, "employees", KIEU, "phone")
    made = subject_report.report(office.service, office.head, KIEU)
    (employee,) = [
        one for section in made["sections"] for one in section["records"] if one["id"] == KIEU
    ]
    assert [(one["by"], one["what"], one["fields"]) for one in employee["reads"]] == [
        ("hoa", "record.read", ["phone"])
    ]
    assert employee["more_reads"] is False


def test_no_report_shows_more_than_the_reporter_may_see(office: Office) -> None:
    clerk = join(office.service, office.house, "clerk-2", ("role:hr.clerk", "hr"))
    other = join(office.service, office.house, "ngan", ("role:accounting.head", "accounting"))
    with pytest.raises(Refused):
        subject_report.report(office.service, clerk, KIEU)
    with pytest.raises(Refused):
        subject_report.report(office.service, office.privacy, KIEU)
    made = subject_report.report(office.service, other, KIEU)
    assert made["sections"] == []
    assert not [one for one in made["covers"] if one["department"] == "hr"]
    shown = records.read_record(office.service, office.head, "employees", KIEU)
    reported = fields_of(subject_report.report(office.service, office.head, KIEU), KIEU)
    clear = {name: one["value"] for name, one in reported.items() if one["shown"] == "clear"}
    masked = {name: one["value"] for name, one in reported.items() if one["shown"] == "masked"}
    assert (clear, masked) == (dict(shown.fields), dict(shown.masked))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pdf_is_one_and_no_value_is_markup(office: Office, language: str) -> None:
    head = office.head
    values = {**EMPLOYEE, "full_name": HOSTILE, "position": HOSTILE}
    records.create_record(office.service, head, "employees", "nv-0013", values)
    made = subject_report.report_pdf(office.service, head, "nv-0013", language)
    assert made.startswith(b"%PDF-")
    assert len(made) > 5_000
    empty = subject_report.report_pdf(office.service, head, "nv-4711", language)
    assert empty.startswith(b"%PDF-")


def test_both_languages_have_the_same_words() -> None:
    assert WORDS["en"].keys() == WORDS["vi"].keys()


def test_bad_words_are_refused(office: Office) -> None:
    for person in ("", "a\nb", "x" * 65):
        with pytest.raises(InvalidInput):
            subject_report.report(office.service, office.head, person)
    with pytest.raises(InvalidInput):
        subject_report.report_pdf(office.service, office.head, BINH, "fr")


def test_attachments_masks_and_long_lists_are_set() -> None:
    document: dict[str, Any] = {
        "organisation": "acme",
        "person": "nv-1",
        "made_by": "hoa",
        "made_at": "2026-09-21T14:13:20.000000Z",
        "covers": [{"title": {"en": "Contracts", "vi": "Hợp đồng"}}],
        "records": 1,
        "sections": [
            {
                "title": {"en": "Contracts", "vi": "Hợp đồng"},
                "retention": {
                    "period": "1y6m",
                    "from": "created_at",
                    "from_title": None,
                    "reason": {"en": "law"},
                },
                "records": [
                    {
                        "id": "c-1",
                        "version": 1,
                        "created_at": "2026-09-21T14:13:20.000000Z",
                        "updated_at": "2026-09-21T14:13:20.000000Z",
                        "fields": [
                            {"title": {"en": "A"}, "shown": "masked", "value": "***123"},
                            {"title": {"en": "B"}, "shown": "withheld", "reason": "no"},
                            {"title": {"en": "C"}, "shown": "clear", "value": True},
                            {"title": {"en": "D"}, "shown": "clear", "value": 7},
                        ],
                        "attachments": [
                            {"field": "f", "name": "hđ.pdf", "size": 9, "type": "a/b", "sha256": ""}
                        ],
                        "reads": [
                            {
                                "at": "2026-09-21T14:13:20.000000Z",
                                "by": "hoa",
                                "what": "record.read",
                                "fields": ["a"],
                            }
                        ]
                        * 200,
                        "more_reads": True,
                    }
                ],
            }
        ],
    }
    assert subject_report_pdf(document, "vi").startswith(b"%PDF-")
