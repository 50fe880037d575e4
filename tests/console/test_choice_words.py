"""What may be chosen in a record is shown by its word, and found by it."""

from __future__ import annotations

from pathlib import Path

from secvault.console.choice_words import WORDS, choice_of, choice_word
from secvault.console.language import Language
from secvault.records.collection_files import load_collections
from tests.console.browsing import signed_in
from tests.running_service import PAYSLIP, Api

POLICIES = Path(__file__).parents[2] / "policies" / "collections"
# What is the same in every language.
SIGNS = {"0", "5", "8", "10", "kg"}


def test_every_choice_of_the_shipped_collections_has_a_word_and_no_word_is_left_over() -> None:
    offered = {
        choice
        for collection in load_collections(POLICIES).values()
        for field in collection.fields.values()
        for choice in field.limits.choices
    }
    assert offered - set(WORDS) == SIGNS
    assert set(WORDS) <= offered


def test_a_choice_of_the_company_itself_is_shown_as_the_company_wrote_it() -> None:
    assert choice_word("chờ duyệt", Language("en")) == "chờ duyệt"
    assert choice_word("in_force", Language("vi")) == "đang có hiệu lực"


def test_a_search_takes_the_word_as_well_as_what_is_stored() -> None:
    choices = ("in_force", "ended")
    assert choice_of(" Đang có hiệu lực ", choices, Language("vi")) == "in_force"
    assert choice_of("in_force", choices, Language("vi")) == "in_force"
    assert choice_of("something", choices, Language("vi")) == "something"


def test_a_record_shows_words_and_its_form_sends_what_is_stored(api: Api) -> None:
    browser = signed_in(api, "head")
    browser.submit("/language", language="vi")
    assert "bản nháp" in browser.get(f"/records/payroll/{PAYSLIP}").text
    form = browser.get(f"/records/payroll/{PAYSLIP}/edit").text
    assert '<option value="draft" selected>bản nháp</option>' in form
    found = browser.submit(
        "/records/payroll/-/search", csrf=browser.csrf(), by="status:exact", value="Bản nháp"
    )
    assert PAYSLIP in found.text
