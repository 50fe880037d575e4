"""The whole sample, department by department."""

from __future__ import annotations

from collections.abc import Iterator

from secvault.errors import InvalidInput
from secvault.sample.accounting import accounting_records, invoices_for
from secvault.sample.administration import administration_records
from secvault.sample.analysis import analysis_records
from secvault.sample.cast import cast_for
from secvault.sample.hr import hr_records
from secvault.sample.logistics import logistics_records
from secvault.sample.production import formulas_for, production_records, work_orders_for
from secvault.sample.quality import quality_records
from secvault.sample.record import SampleRecord, draw_for
from secvault.sample.settlement import settlement_records

USUAL_PEOPLE = 80
FEWEST_PEOPLE = 10
MOST_PEOPLE = 9999


def back_office(seed: int = 2026, people: int = USUAL_PEOPLE) -> Iterator[SampleRecord]:
    """Every record of the sample company, about forty for each of its people.

    seed: another one gives another company. people: how many it employs, 10 to 9999; the other
    collections grow with it. Raises InvalidInput outside of that.
    """
    if not FEWEST_PEOPLE <= people <= MOST_PEOPLE:
        raise InvalidInput.at("people", f"must lie between {FEWEST_PEOPLE} and {MOST_PEOPLE}")
    return _records(seed, people)


def _records(seed: int, people: int) -> Iterator[SampleRecord]:
    def share(usual: int) -> int:
        return max(1, usual * people // USUAL_PEOPLE)

    cast = cast_for(seed, people)
    invoices = invoices_for(cast, draw_for(seed, "invoices"), share(420))
    formulas = formulas_for(share(40))
    orders = work_orders_for(draw_for(seed, "work_orders"), formulas, share(210))
    yield from hr_records(cast, draw_for(seed, "hr"))
    yield from accounting_records(cast, draw_for(seed, "accounting"), invoices)
    yield from production_records(
        cast, draw_for(seed, "production"), formulas, orders, machines=share(60)
    )
    yield from quality_records(cast, draw_for(seed, "quality"), orders, complaints=share(80))
    yield from analysis_records(cast, draw_for(seed, "analysis"), share(30))
    yield from administration_records(
        cast, draw_for(seed, "administration"), assets=share(150), visitors=share(150)
    )
    yield from logistics_records(
        cast, draw_for(seed, "logistics"), invoices, orders, materials=share(80)
    )
    yield from settlement_records(cast, draw_for(seed, "settlement"), share(450))
