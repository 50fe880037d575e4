"""Accounting: invoices, the payments that settle them, tax filings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from secvault.crypto.canonical import JsonValue
from secvault.sample import number
from secvault.sample.cast import Cast, Company, Employee
from secvault.sample.record import (
    TODAY,
    Draw,
    SampleRecord,
    amount_between,
    chance,
    day,
    days_ago,
    money,
    sample_record,
)

_DOLLAR = 25_000


@dataclass(frozen=True)
class Invoice:
    """An invoice as the other departments see it. total: đồng or cents."""

    id: str
    purchase: bool
    partner: Company
    issued_on: date
    due_on: date
    net: int
    vat_rate: int
    status: str

    @property
    def total(self) -> int:
        """Net amount with value added tax."""
        return self.net * (100 + self.vat_rate) // 100


def invoices_for(cast: Cast, draw: Draw, count: int) -> list[Invoice]:
    """So many invoices of the last year and a half, numbered in the order of their days."""
    days = sorted(days_ago(draw, 540) for _ in range(count))
    return [_invoice(cast, draw, n, issued_on) for n, issued_on in enumerate(days, 1)]


def accounting_records(
    cast: Cast, draw: Draw, invoices: Sequence[Invoice]
) -> Iterator[SampleRecord]:
    """All records of the department."""
    for invoice in invoices:
        yield _invoice_record(invoice, draw)
    yield from _payments(cast, draw, invoices)
    yield from _tax_filings(cast, draw)
    for count, supplier in enumerate(cast.suppliers, 1):
        yield _supplier(supplier, count, draw)


def _invoice(cast: Cast, draw: Draw, count: int, issued_on: date) -> Invoice:
    purchase = chance(draw, 60)
    partner = draw.choice(cast.suppliers if purchase else cast.customers)
    due_on = issued_on + timedelta(days=draw.choice((15, 30, 30, 45)))
    if due_on > TODAY:
        status = "paid" if chance(draw, 30) else "open"
    else:
        status = draw.choices(("paid", "overdue", "cancelled"), (90, 8, 2))[0]
    net = amount_between(draw, 2_000_000, 500_000_000)
    return Invoice(
        id=f"inv-{count:04d}",
        purchase=purchase,
        partner=partner,
        issued_on=issued_on,
        due_on=due_on,
        net=net * 100 // _DOLLAR if partner.foreign else net,
        vat_rate=0 if partner.foreign else draw.choice((5, 8, 8, 10)),
        status=status,
    )


def _invoice_record(invoice: Invoice, draw: Draw) -> SampleRecord:
    partner = invoice.partner
    return sample_record(
        "accounting",
        "invoices",
        invoice.id,
        {
            "number": f"1C{invoice.issued_on:%y}TAA/{int(invoice.id[4:]):08d}",
            "direction": "purchase" if invoice.purchase else "sale",
            "counterparty": partner.name,
            "tax_code": partner.tax_code,
            "contact_email": partner.contact.email,
            "issued_on": day(invoice.issued_on),
            "due_on": day(invoice.due_on),
            "net_amount": money(invoice.net, partner.currency),
            "vat_rate": str(invoice.vat_rate),
            "total": money(invoice.total, partner.currency),
            "status": invoice.status,
            "note": f"Đã trao đổi với {partner.contact.full_name}" if chance(draw, 20) else None,
        },
    )


def _payments(cast: Cast, draw: Draw, invoices: Sequence[Invoice]) -> Iterator[SampleRecord]:
    accountants = cast.teams["accounting"]
    count = 0
    for invoice in invoices:
        if invoice.status == "cancelled" or not invoice.purchase:
            continue
        # A large invoice may be paid in two parts, which add up to it.
        first = invoice.total * 2 // 5 if chance(draw, 25) else invoice.total
        for part in filter(None, (first, invoice.total - first)):
            count += 1
            yield _payment(f"pay-{count:04d}", invoice, part, draw.choice(accountants), draw)


def _payment(id_: str, invoice: Invoice, part: int, by: Employee, draw: Draw) -> SampleRecord:
    paid = invoice.status == "paid"
    paid_on = min(TODAY, invoice.issued_on + timedelta(days=draw.randint(3, 40)))
    partner = invoice.partner
    return sample_record(
        "accounting",
        "payments",
        id_,
        {
            "invoice": invoice.id,
            "payee": partner.name,
            "amount": money(part, partner.currency),
            "bank": partner.bank,
            "bank_account": partner.account,
            "method": "bank_transfer" if chance(draw, 92) else "cheque",
            "due_on": day(invoice.due_on),
            "paid_on": day(paid_on) if paid else None,
            "reference": f"TT {invoice.id} {id_}".upper(),
            "approved_by": by.id if paid else None,
            "status": "paid" if paid else "planned",
            "note": f"Liên hệ {partner.contact.full_name}, {partner.contact.phone}"
            if chance(draw, 10)
            else None,
        },
    )


def _tax_filings(cast: Cast, draw: Draw) -> Iterator[SampleRecord]:
    own_tax_code = number.tax_code(draw)
    quarters = [(year, quarter) for year in (2024, 2025, 2026) for quarter in (1, 2, 3, 4)][:10]
    periods = [
        (tax, f"{year}-Q{quarter}", _after_quarter(year, quarter), rate)
        for year, quarter in quarters
        for tax, rate in (("value_added", 8), ("personal_income", 6))
    ] + [
        (tax, str(year), date(year + 1, 3, 31), rate)
        for year in (2023, 2024, 2025)
        for tax, rate in (("corporate_income", 20), ("licence_fee", 1))
    ]
    accountants = cast.teams["accounting"]
    for count, (tax, period, due_on, rate) in enumerate(periods, 1):
        filed = due_on <= TODAY
        taxable = amount_between(draw, 300_000_000, 9_000_000_000)
        late = filed and chance(draw, 8)
        values: dict[str, JsonValue] = {
            "tax": tax,
            "period": period,
            "tax_code": own_tax_code,
            "taxable_amount": money(taxable),
            "tax_due": money(3_000_000 if tax == "licence_fee" else taxable * rate // 100),
            "penalty": money(amount_between(draw, 1_000_000, 8_000_000)) if late else None,
            "due_on": day(due_on),
            "filed_on": day(due_on + timedelta(days=12 if late else -draw.randint(1, 9)))
            if filed
            else None,
            "submission": f"TAX{number.digits(draw, 14)}" if filed else None,
            "prepared_by": draw.choice(accountants).id,
            "status": "accepted" if filed else "draft",
        }
        yield sample_record("accounting", "tax_filings", f"tax-{count:04d}", values)


def _supplier(supplier: Company, count: int, draw: Draw) -> SampleRecord:
    contact, abroad = supplier.contact, supplier.foreign
    since = days_ago(draw, 2400, 560)
    return sample_record(
        "accounting",
        "suppliers",
        f"sup-{count:04d}",
        {
            "name": supplier.name,
            "tax_code": supplier.tax_code,
            "country": "DE" if abroad else "VN",
            "contact": contact.full_name,
            "email": contact.email,
            "phone": contact.phone,
            "bank": supplier.bank,
            "bank_account": None if abroad else supplier.account,
            "iban": supplier.account if abroad else None,
            "credit_limit": money(amount_between(draw, 10_000_000, 2_000_000_000)),
            "since": day(since),
            "ended_on": day(days_ago(draw, 500)) if chance(draw, 15) else None,
        },
    )


def _after_quarter(year: int, quarter: int) -> date:
    """The last day of the month that follows the quarter."""
    month = 3 * quarter + 2
    return date(year + month // 13, month % 12 or 12, 1) - timedelta(days=1)
