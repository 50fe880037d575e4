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


def analysis_records(cast: Cast, draw: Draw, count: int) -> Iterator[SampleRecord]:
    """All records of the department."""
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
