"""Quality control: inspections of what was made, complaints about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from secvault.sample.cast import Cast
from secvault.sample.production import WorkOrder
from secvault.sample.record import (
    TODAY,
    Draw,
    SampleRecord,
    amount_between,
    chance,
    day,
    days_ago,
    moment,
    money,
    sample_record,
)

_METHODS = ("Cảm quan", "Đo pH và độ nhớt", "Vi sinh", "Gas chromatography", "Khối lượng tịnh")
_COMPLAINTS = (
    ("minor", "Bao bì bị móp, sản phẩm vẫn dùng được."),
    ("minor", "The label is hard to read."),
    ("major", "Nắp chai hở, hàng bị chảy trong thùng."),
    ("major", "Vị khác hẳn lần mua trước."),
    ("critical", "Khách hàng bị dị ứng sau khi sử dụng."),
)
_INJURIES = ("Nổi mẩn đỏ ở tay trong hai ngày", "Đau bụng nhẹ, đã khám tại phòng khám")


def quality_records(
    cast: Cast, draw: Draw, work_orders: Sequence[WorkOrder], complaints: int
) -> Iterator[SampleRecord]:
    """All records of the department: one inspection of each lot that was made."""
    made = [order for order in work_orders if order.done]
    for order in made:
        yield _inspection(cast, draw, order)
    for n in range(1, complaints + 1):
        yield _complaint(cast, draw, n, draw.choice(made) if made else None)


def _inspection(cast: Cast, draw: Draw, order: WorkOrder) -> SampleRecord:
    sample_size = draw.choice((20, 32, 50, 80))
    result = draw.choices(("passed", "rework", "rejected"), (93, 5, 2))[0]
    defects = draw.randint(0, 1) if result == "passed" else draw.randint(3, 9)
    measurements = (
        f"pH = {draw.randrange(420, 760) / 100:.2f}\n"
        f"độ ẩm = {draw.randrange(20, 130) / 10:.1f} %\n"
        f"khối lượng = {draw.randrange(4950, 5051) / 10:.1f} g"
    )
    return sample_record(
        "quality",
        "inspections",
        order.id.replace("wo", "insp"),
        {
            "work_order": order.id,
            "inspected_at": moment(order.starts_at + timedelta(hours=draw.randint(17, 23))),
            "inspector": draw.choice(cast.teams["quality"]).id,
            "sample_size": sample_size,
            "defects": defects,
            "method": draw.choice(_METHODS),
            "measurements": measurements,
            "result": result,
            "released": result == "passed",
            "note": "Điều chỉnh thông số chiết rót rồi kiểm tra lại"
            if result == "rework"
            else None,
        },
    )


def _complaint(cast: Cast, draw: Draw, count: int, order: WorkOrder | None) -> SampleRecord:
    customer = draw.choice(cast.passers_by)
    severity, description = draw.choice(_COMPLAINTS)
    received_on = days_ago(draw, 200)
    if order is not None:
        received_on = min(TODAY, order.starts_at.date() + timedelta(days=draw.randint(10, 120)))
    closed_on = received_on + timedelta(days=draw.randint(2, 25))
    closed = closed_on <= TODAY
    injured = severity == "critical"
    return sample_record(
        "quality",
        "complaints",
        f"cmp-{count:04d}",
        {
            "received_on": day(received_on),
            "product": order.formula.product if order else "Nước tương đậu nành",
            "work_order": order.id if order else None,
            "customer": customer.full_name,
            "phone": customer.phone,
            "email": customer.email if chance(draw, 60) else None,
            "description": description,
            "injury": draw.choice(_INJURIES) if injured else None,
            "severity": severity,
            "compensation": money(amount_between(draw, 200_000, 20_000_000))
            if closed and severity != "minor"
            else None,
            "closed_on": day(closed_on) if closed else None,
            "status": "closed" if closed else "open",
        },
    )
