"""Production and technical: formulas, work orders, equipment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from secvault.sample import number
from secvault.sample.cast import Cast
from secvault.sample.record import (
    TODAY,
    Draw,
    SampleRecord,
    amount_between,
    chance,
    day,
    days_ago,
    decimal,
    in_working_hours,
    moment,
    money,
    sample_record,
)

# Product, unit, ingredients in falling order.
_PRODUCTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Nước tương đậu nành", "litre", ("nước", "đậu nành", "muối", "bột mì", "men Koji")),
    ("Tương ớt cay vừa", "litre", ("ớt chín", "nước", "đường", "tỏi", "giấm")),
    ("Nước mắm 30 độ đạm", "litre", ("cá cơm", "muối", "nước", "đường")),
    ("Dầu gội bồ kết", "litre", ("nước", "chiết xuất bồ kết", "glycerin", "hương liệu")),
    ("Xà phòng sả chanh", "piece", ("dầu dừa", "nước", "xút", "tinh dầu sả")),
    ("Bột giặt dịu nhẹ", "kg", ("soda", "chất hoạt động bề mặt", "zeolit", "enzym")),
    ("Cà phê hòa tan 3 trong 1", "box", ("đường", "kem thực vật", "cà phê", "maltodextrin")),
    ("Trà sen đóng hộp", "box", ("trà xanh", "hương sen", "hoa nhài")),
    ("Oat biscuit", "box", ("oats", "wheat flour", "sugar", "butter", "salt")),
    ("Rice noodle, dried", "kg", ("rice flour", "water", "tapioca", "salt")),
)
LINES = ("Dây chuyền 1", "Dây chuyền 2", "Dây chuyền 3", "Line 4")

_STEPS = (
    "Phối trộn {minutes} phút ở {degrees} °C.",
    "Ủ {minutes} phút, khuấy nhẹ.",
    "Lọc qua màng 5 µm.",
    "Thanh trùng {minutes} phút ở {degrees} °C.",
    "Cool below 30 °C before filling.",
)
_MACHINES = ("Máy trộn", "Máy chiết rót", "Nồi thanh trùng", "Băng tải", "Labelling machine")
_MAKERS = ("Example Machines", "Cơ khí Mẫu Việt", "Muster Anlagen", "Sample Process Co.")


@dataclass(frozen=True)
class Formula:
    """One version of a product's formula."""

    id: str
    product: str
    unit: str
    ingredients: tuple[str, ...]
    version: int


@dataclass(frozen=True)
class WorkOrder:
    """A lot that was or will be made."""

    id: str
    formula: Formula
    lot: str
    starts_at: datetime
    done: bool


def formulas_for(count: int) -> list[Formula]:
    """So many formulas, the products in turn and then their next versions."""
    formulas = []
    for n in range(count):
        version, place = divmod(n, len(_PRODUCTS))
        product, unit, ingredients = _PRODUCTS[place]
        formulas.append(Formula(f"for-{n + 1:04d}", product, unit, ingredients, version + 1))
    return formulas


def work_orders_for(draw: Draw, formulas: Sequence[Formula], count: int) -> list[WorkOrder]:
    """So many work orders over the last year and the next fortnight, in their order."""
    days = sorted(days_ago(draw, 365, -14) for _ in range(count))
    return [
        WorkOrder(
            id=f"wo-{n:04d}",
            formula=draw.choice(formulas),
            lot=f"L{on:%y%m%d}-{n:04d}",
            starts_at=in_working_hours(draw, on),
            done=on < TODAY,
        )
        for n, on in enumerate(days, 1)
    ]


def production_records(
    cast: Cast,
    draw: Draw,
    formulas: Sequence[Formula],
    work_orders: Sequence[WorkOrder],
    machines: int,
) -> Iterator[SampleRecord]:
    """All records of the department."""
    newest = {formula.product: formula.version for formula in formulas}
    for formula in formulas:
        retired = formula.version < newest[formula.product]
        yield _formula(cast, draw, formula, retired=retired)
    for work_order in work_orders:
        yield _work_order(cast, draw, work_order)
    for n in range(1, machines + 1):
        yield _machine(draw, n)


def _formula(cast: Cast, draw: Draw, formula: Formula, *, retired: bool) -> SampleRecord:
    steps = [
        step.format(minutes=draw.randrange(10, 95, 5), degrees=draw.randrange(45, 96))
        for step in draw.sample(_STEPS, 3)
    ]
    return sample_record(
        "production",
        "formulas",
        formula.id,
        {
            "code": f"CT-{int(formula.id[4:]):03d}.{formula.version}",
            "product": formula.product,
            "version": formula.version,
            "composition": _composition(draw, formula.ingredients),
            "process": "\n".join(f"{n}. {step}" for n, step in enumerate(steps, 1)),
            "yield_percent": decimal(draw.randrange(88_000, 98_500, 10)),
            "unit_cost": money(amount_between(draw, 8_000, 180_000)),
            "approved_by": draw.choice(cast.teams["production"]).id,
            "approved_on": day(days_ago(draw, 1200, 366)),
            "withdrawn_on": day(days_ago(draw, 365, 30)) if retired else None,
            "status": "retired" if retired else "approved",
        },
    )


def _composition(draw: Draw, ingredients: Sequence[str]) -> str:
    """Percentages with one decimal that fall and add up to a hundred."""
    left, lines = 1000, []
    for n, ingredient in enumerate(ingredients):
        part = left if n == len(ingredients) - 1 else left * draw.randint(55, 80) // 100
        left -= part
        lines.append(f"{ingredient}: {part // 10}.{part % 10} %")
    return "\n".join(lines)


def _work_order(cast: Cast, draw: Draw, order: WorkOrder) -> SampleRecord:
    ends_at = order.starts_at + timedelta(minutes=draw.randrange(180, 960, 15))
    return sample_record(
        "production",
        "work_orders",
        order.id,
        {
            "formula": order.formula.id,
            "product": order.formula.product,
            "lot": order.lot,
            "line": draw.choice(LINES),
            "quantity": decimal(draw.randrange(200, 8001, 50) * 1000),
            "unit": order.formula.unit,
            "lead": draw.choice(cast.teams["production"]).id,
            "starts_at": moment(order.starts_at),
            "ends_at": moment(ends_at) if order.done else None,
            "actual_yield": decimal(draw.randrange(85_000, 98_000, 10)) if order.done else None,
            "unit_cost": money(amount_between(draw, 8_000, 180_000)) if order.done else None,
            "status": "done" if order.done else "planned",
            "note": f"Tăng {order.formula.ingredients[0]} thêm 0.5 % so với công thức"
            if chance(draw, 8)
            else None,
        },
    )


def _machine(draw: Draw, count: int) -> SampleRecord:
    price = amount_between(draw, 40_000_000, 3_000_000_000)
    # Some have been sold, and are still on the books.
    disposed_on = days_ago(draw, 190, 5) if count % 9 == 3 else None
    settings = (
        f"tốc độ = {draw.randrange(20, 180)} sp/phút\n"
        f"nhiệt độ = {draw.randrange(20, 140)} °C\n"
        f"áp suất = {draw.randrange(10, 60) / 10} bar"
    )
    return sample_record(
        "production",
        "equipment",
        f"eq-{count:04d}",
        {
            "tag": f"TB-{count:04d}",
            "name": f"{draw.choice(_MACHINES)} {count}",
            "maker": draw.choice(_MAKERS),
            "serial_number": f"SN{number.digits(draw, 8)}",
            "line": draw.choice(LINES),
            "critical": chance(draw, 30),
            "commissioned_on": day(days_ago(draw, 3600, 200)),
            "next_service_on": day(days_ago(draw, 0, -180)) if disposed_on is None else None,
            "disposed_on": day(disposed_on),
            "settings": settings,
            "purchase_price": money(price),
            "status": "retired"
            if disposed_on
            else draw.choices(("running", "in_service", "out_of_order"), (88, 8, 4))[0],
        },
    )
