"""Logistics: shipments of what was sold, stock in the warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from secvault.sample.accounting import Invoice
from secvault.sample.cast import Cast
from secvault.sample.production import Formula, WorkOrder
from secvault.sample.record import (
    TODAY,
    Draw,
    SampleRecord,
    amount_between,
    chance,
    day,
    days_ago,
    decimal,
    money,
    sample_record,
)

_CARRIERS = ("Vận tải Mẫu", "Giao nhận Ví Dụ", "Sample Express", "Đội xe công ty")
_MATERIALS = (
    ("Đậu nành hạt", "kg"),
    ("Đường tinh luyện", "kg"),
    ("Muối hạt", "kg"),
    ("Dầu dừa", "litre"),
    ("Chai PET 500 ml", "piece"),
    ("Thùng carton 5 lớp", "piece"),
)


def logistics_records(
    cast: Cast,
    draw: Draw,
    invoices: Sequence[Invoice],
    work_orders: Sequence[WorkOrder],
    *,
    materials: int,
) -> Iterator[SampleRecord]:
    """All records of the department: a shipment or two of each sale, lots and materials."""
    made = [order for order in work_orders if order.done]
    products = [order.formula for order in made]
    count = 0
    for invoice in invoices:
        if invoice.purchase or invoice.status == "cancelled":
            continue
        for _ in range(draw.choice((1, 1, 2))):
            count += 1
            yield _shipment(draw, count, invoice, products)
    for order in made[-materials:]:
        yield _lot(cast, draw, order)
    for n in range(1, materials + 1):
        yield _material(cast, draw, n)


def _shipment(
    draw: Draw, count: int, invoice: Invoice, products: Sequence[Formula]
) -> SampleRecord:
    partner = invoice.partner
    shipped_on = min(TODAY, invoice.issued_on + timedelta(days=draw.randint(0, 6)))
    delivered_on = shipped_on + timedelta(days=draw.randint(1, 8))
    arrived = delivered_on <= TODAY
    goods = draw.choice(products).product if products else "Nước tương đậu nành"
    return sample_record(
        "logistics",
        "shipments",
        f"shp-{count:04d}",
        {
            "number": f"VD{shipped_on:%y%m%d}{count:05d}",
            "invoice": invoice.id,
            "carrier": draw.choice(_CARRIERS),
            "recipient": partner.contact.full_name,
            "address": partner.contact.address,
            "phone": partner.contact.phone,
            "goods": goods,
            "weight_kg": decimal(draw.randrange(5_000, 4_000_000, 500)),
            "declared_value": money(invoice.net, partner.currency),
            "freight_cost": money(amount_between(draw, 80_000, 12_000_000)),
            "shipped_on": day(shipped_on),
            "delivered_on": day(delivered_on) if arrived else None,
            "status": "delivered" if arrived else "on_the_way",
        },
    )


def _lot(cast: Cast, draw: Draw, order: WorkOrder) -> SampleRecord:
    made_on = order.starts_at.date()
    return sample_record(
        "logistics",
        "warehouse",
        order.id.replace("wo", "lot"),
        {
            "sku": f"TP-{order.formula.id[4:]}",
            "product": order.formula.product,
            "lot": order.lot,
            "location": _location(draw, "A"),
            "quantity": decimal(draw.randrange(0, 4001, 10) * 1000),
            "unit": order.formula.unit,
            "minimum_stock": decimal(draw.randrange(50, 400, 50) * 1000),
            "unit_cost": money(amount_between(draw, 8_000, 180_000)),
            "expires_on": day(made_on + timedelta(days=2 * 365)),
            "counted_on": day(days_ago(draw, 30, 1)),
            "counted_by": draw.choice(cast.teams["logistics"]).id,
        },
    )


def _material(cast: Cast, draw: Draw, count: int) -> SampleRecord:
    product, unit = _MATERIALS[(count - 1) % len(_MATERIALS)]
    perishable = unit != "piece"
    return sample_record(
        "logistics",
        "warehouse",
        f"mat-{count:04d}",
        {
            "sku": f"NL-{(count - 1) % len(_MATERIALS) + 1:03d}",
            "product": product,
            "lot": f"N{days_ago(draw, 200, 5):%y%m%d}-{count:04d}",
            "location": _location(draw, "B"),
            "quantity": decimal(draw.randrange(100, 900_000, 100) * 10),
            "unit": unit,
            "minimum_stock": decimal(draw.randrange(100, 1000, 100) * 1000),
            "supplier": draw.choice(cast.suppliers).name,
            "unit_cost": money(amount_between(draw, 1_000, 90_000)),
            "expires_on": day(days_ago(draw, -30, -700))
            if perishable and chance(draw, 90)
            else None,
            "counted_on": day(days_ago(draw, 30, 1)),
            "counted_by": draw.choice(cast.teams["logistics"]).id,
        },
    )


def _location(draw: Draw, hall: str) -> str:
    return f"{hall}-{draw.randint(1, 12):02d}-{draw.randint(1, 5)}"
