"""Administration: assets and who uses them, visitors and whom they see."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

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
    in_working_hours,
    moment,
    money,
    sample_record,
)

# Kind, names, least and most price in millions of đồng.
_ASSETS: tuple[tuple[str, tuple[str, ...], int, int], ...] = (
    ("computer", ("Máy tính xách tay 14 inch", "Máy trạm đồ họa", "Desktop computer"), 12, 60),
    ("phone", ("Điện thoại thông minh", "Điện thoại bàn IP"), 2, 25),
    ("vehicle", ("Xe tải 2,5 tấn", "Xe 7 chỗ", "Xe nâng điện"), 350, 1500),
    ("furniture", ("Bàn họp 10 chỗ", "Ghế xoay", "Tủ hồ sơ chống cháy"), 1, 30),
    ("software", ("Phần mềm kế toán", "CAD licence", "Bộ ứng dụng văn phòng"), 3, 120),
)
_PLACES = ("Trụ sở chính, tầng 2", "Trụ sở chính, tầng 3", "Nhà máy", "Kho A", "Branch office")
_PURPOSES = ("Họp dự án", "Giao hàng", "Bảo trì thiết bị", "Phỏng vấn", "Audit", "Chào hàng")
_HEALTH = ("Không có triệu chứng", "Ho nhẹ, đã đeo khẩu trang", "Dị ứng đậu phộng")


def administration_records(
    cast: Cast, draw: Draw, *, assets: int, visitors: int
) -> Iterator[SampleRecord]:
    """All records of the department."""
    for n in range(1, assets + 1):
        yield _asset(cast, draw, n)
    for n in range(1, visitors + 1):
        yield _visitor(cast, draw, n)


def _asset(cast: Cast, draw: Draw, count: int) -> SampleRecord:
    kind, names, least, most = draw.choices(_ASSETS, (45, 20, 5, 15, 15))[0]
    bought_on = days_ago(draw, 2000, 10)
    used = kind != "furniture" and chance(draw, 80)
    disposed_on = days_ago(draw, 9) if not used and chance(draw, 20) else None
    key = "-".join(f"{draw.randrange(36**4):04X}"[-4:] for _ in range(4))
    return sample_record(
        "administration",
        "assets",
        f"ast-{count:04d}",
        {
            "tag": f"TS-{count:04d}",
            "kind": kind,
            "name": draw.choice(names),
            "serial_number": None if kind == "software" else f"S{number.digits(draw, 9)}",
            "licence_key": f"DEMO-{key}" if kind == "software" else None,
            "assigned_to": draw.choice(cast.present).id if used else None,
            "location": draw.choice(_PLACES),
            "bought_on": day(bought_on),
            "warranty_until": day(bought_on + timedelta(days=2 * 365)),
            "disposed_on": day(disposed_on),
            "price": money(amount_between(draw, least * 1_000_000, most * 1_000_000)),
            "status": "in_use" if used else _unused(draw, disposed=disposed_on is not None),
        },
    )


def _unused(draw: Draw, *, disposed: bool) -> str:
    return "disposed" if disposed else draw.choice(("in_store", "in_repair"))


def _visitor(cast: Cast, draw: Draw, count: int) -> SampleRecord:
    person = draw.choice(cast.passers_by)
    on = days_ago(draw, 180)
    arrived_at = in_working_hours(draw, on)
    born = days_ago(draw, 60 * 365, 20 * 365)
    companies = draw.choice((cast.suppliers, cast.customers))
    by_car = chance(draw, 35)
    return sample_record(
        "administration",
        "visitors",
        f"vis-{count:04d}",
        {
            "full_name": person.full_name,
            "company": draw.choice(companies).name if chance(draw, 80) else None,
            "identity_number": None
            if person.foreign
            else number.identity(draw, born, female=person.female),
            "phone": person.phone,
            "host": draw.choice(cast.present).id,
            "purpose": draw.choice(_PURPOSES),
            "badge": f"K{draw.randrange(1, 100):03d}",
            "vehicle_plate": f"00A-{number.digits(draw, 5)}" if by_car else None,
            "health_declaration": draw.choice(_HEALTH) if chance(draw, 40) else None,
            "arrived_at": moment(arrived_at),
            "left_at": moment(arrived_at + timedelta(minutes=draw.randrange(15, 300)))
            if on < TODAY
            else None,
        },
    )
