"""A worked day in each department: what its people can do, and what others see of it.

The scenarios are in `departments`; each is of people and collections of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.departments import analysis, goods, money_matters, people_matters
from tests.acceptance.departments.office import Office, opened_office

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One running service, and everybody signed in since twenty minutes."""
    with opened_office(tmp_path_factory.mktemp("departments")) as opened:
        yield opened


def test_accounting_pays_a_supplier_whom_one_enters_and_another_releases(office: Office) -> None:
    money_matters.accounting(office)


def test_settlement_books_a_transfer_and_settles_a_dispute_over_a_card(office: Office) -> None:
    money_matters.settlement(office)


def test_hr_pays_a_month_and_only_those_who_must_see_what_somebody_earns(
    office: Office, tmp_path: Path
) -> None:
    people_matters.hr(office, tmp_path)


def test_administration_keeps_what_was_bought_and_lets_visitors_be_forgotten(
    office: Office,
) -> None:
    people_matters.administration(office)


def test_production_keeps_its_formulas_secret_and_its_drawings_at_hand(office: Office) -> None:
    goods.production(office)


def test_quality_corrects_an_inspection_and_nobody_overwrites_another(office: Office) -> None:
    goods.quality(office)


def test_logistics_finds_a_shipment_by_its_day_and_the_last_digits_of_a_telephone(
    office: Office,
) -> None:
    goods.logistics(office)


def test_analysis_joins_what_others_keep_and_learns_nobodys_name(office: Office) -> None:
    analysis.analysis(office)
