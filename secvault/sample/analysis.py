"""Data analysis: data sets made from the other departments' records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from secvault.sample.cast import Cast
from secvault.sample.record import (
    TODAY,
    Draw,
    SampleRecord,
    chance,
    day,
    days_ago,
    in_working_hours,
    moment,
    sample_record,
)

# Name, purpose, sources, method, finding.
_STUDIES = (
    (
        "Chi phí lương theo phòng ban",
        "Lập kế hoạch ngân sách nhân sự",
        "payroll, employees",
        "Tổng hợp theo phòng ban và tháng, bỏ nhóm dưới năm người",
        "Chi phí làm thêm giờ tăng 12 % ở khối sản xuất",
    ),
    (
        "Late suppliers",
        "Choice of suppliers for the next year",
        "invoices, payments, warehouse",
        "Logistic regression on terms, amount and season",
        "Three suppliers account for 60 % of the delay",
    ),
    (
        "Tỷ lệ lỗi theo dây chuyền",
        "Giảm phế phẩm",
        "inspections, work_orders, equipment",
        "Biểu đồ kiểm soát p, tách theo ca",
        "Dây chuyền 3 vượt giới hạn trên vào ca đêm",
    ),
    (
        "Thời gian giao hàng",
        "Đánh giá đơn vị vận chuyển",
        "shipments",
        "Phân vị 50 và 95 theo tuyến",
        "Tuyến miền Trung chậm hơn cam kết 1,5 ngày",
    ),
    (
        "Unusual payments",
        "Internal control",
        "payments, transactions",
        "Isolation forest on amount, hour and payee age",
        "Four payments passed to internal audit",
    ),
)


_RISKS = (
    "Nhóm dưới năm người có thể nhận ra cá nhân",
    "Joined with the pay list, salaries of heads could be guessed",
)


def analysis_records(cast: Cast, draw: Draw, count: int) -> Iterator[SampleRecord]:
    """All records of the department: so many data sets, and what was asked for to make them."""
    yield from _datasets(cast, draw, count)
    for n in range(1, count + 1):
        yield _request(cast, draw, n)


def _datasets(cast: Cast, draw: Draw, count: int) -> Iterator[SampleRecord]:
    for n in range(1, count + 1):
        name, purpose, sources, method, finding = _STUDIES[(n - 1) % len(_STUDIES)]
        refreshed_on = days_ago(draw, 400, 1)
        de_identified = chance(draw, 85)
        yield sample_record(
            "analysis",
            "datasets",
            f"ds-{n:04d}",
            {
                "name": f"{name} {refreshed_on:%m/%Y}",
                "purpose": purpose,
                "sources": sources,
                "owner": draw.choice(cast.teams["analysis"]).id,
                "rows": draw.randrange(200, 250_000),
                "de_identified": de_identified,
                "refreshed_at": moment(in_working_hours(draw, refreshed_on)),
                "keep_until": day(TODAY + timedelta(days=draw.randrange(90, 1200))),
                "location": f"s3://analysis.example/ds-{n:04d}/part-0.parquet",
                "method": method,
                "findings": finding if chance(draw, 70) else None,
            },
        )


def _request(cast: Cast, draw: Draw, count: int) -> SampleRecord:
    _, purpose, sources, _, _ = _STUDIES[(count - 1) % len(_STUDIES)]
    requested_on = days_ago(draw, 500, 20)
    status = draw.choices(("granted", "asked", "refused", "withdrawn"), (70, 15, 10, 5))[0]
    decided = status in {"granted", "refused"}
    decided_on = requested_on + timedelta(days=draw.randint(1, 14))
    return sample_record(
        "analysis",
        "data_requests",
        f"req-{count:04d}",
        {
            "requested_by": draw.choice(cast.teams["analysis"]).id,
            "purpose": purpose,
            "sources": sources,
            "basis": draw.choice(("de_identified", "de_identified", "contract", "law")),
            "requested_on": day(requested_on),
            "decided_on": day(decided_on) if decided else None,
            "decided_by": draw.choice(cast.teams["it"]).id if decided else None,
            "dataset": f"ds-{count:04d}" if status == "granted" else None,
            "risks": draw.choice(_RISKS) if chance(draw, 40) else None,
            "status": status,
        },
    )
