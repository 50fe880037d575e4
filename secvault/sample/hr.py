"""Human resources: employees, contracts, payroll, insurance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from secvault.sample import number
from secvault.sample.cast import Cast, Employee
from secvault.sample.record import (
    TODAY,
    Draw,
    SampleRecord,
    chance,
    day,
    days_ago,
    decimal,
    money,
    sample_record,
)

MONTHS = tuple(date(2026, month, 1) for month in range(1, 7))

# The rules of 2026: social, health and unemployment insurance of 10.5 % of at most twenty base
# wages of 2,340,000; five brackets of tax on what exceeds 15,500,000.
_INSURED_AT_MOST = 20 * 2_340_000
_PERSONAL_ALLOWANCE = 15_500_000
_BRACKETS = ((10, 5), (30, 10), (60, 20), (100, 30), (10**9, 35))

_HOSPITALS = (
    "Bệnh viện Đa khoa Mẫu Một",
    "Bệnh viện Quận Thí Điểm",
    "Trung tâm Y tế Ví Dụ",
    "Example General Hospital",
)
_CLAIMS = ("Ốm đau 5 ngày, viêm phế quản", "Thai sản 6 tháng", "Dưỡng sức sau phẫu thuật")
_TERMS = (
    "Không làm việc cho đối thủ cạnh tranh trong 12 tháng sau khi nghỉ việc.",
    "Hỗ trợ học phí 20.000.000 đồng mỗi năm.\nHoàn trả nếu nghỉ việc trước 24 tháng.",
    "Works from home two days a week.",
)


def hr_records(cast: Cast, draw: Draw) -> Iterator[SampleRecord]:
    """All records of the department."""
    for employee in cast.employees:
        yield _employee(employee, cast, draw)
        yield _contract(employee, draw)
        yield _insurance(employee, draw)
    for month in MONTHS:
        for employee in cast.employees:
            if _employed_in(employee, month):
                yield _payroll(employee, month, draw)


def _employee(employee: Employee, cast: Cast, draw: Draw) -> SampleRecord:
    person = employee.person
    relative = draw.choice(cast.passers_by)
    status = "on_leave" if chance(draw, 4) else "active"
    return sample_record(
        "hr",
        "employees",
        employee.id,
        {
            "full_name": person.full_name,
            "gender": "female" if person.female else "male",
            "birth_date": day(employee.born),
            "identity_number": None
            if person.foreign
            else number.identity(draw, employee.born, female=person.female),
            "passport": f"X{number.digits(draw, 8)}" if person.foreign else None,
            "home_address": person.address,
            "phone": person.phone,
            "email": person.email,
            "department": employee.department,
            "position": employee.position,
            "hired_on": day(employee.hired_on),
            "left_on": day(employee.left_on),
            "emergency_contact": f"{relative.full_name}, {relative.phone}",
            "status": "left" if employee.left_on else status,
        },
    )


def _contract(employee: Employee, draw: Draw) -> SampleRecord:
    years = (TODAY - employee.hired_on).days // 365
    if years >= 3:
        kind, ends_on = "indefinite", None
    elif (TODAY - employee.hired_on).days > 60:
        kind, ends_on = "fixed_term", employee.hired_on + timedelta(days=3 * 365)
    else:
        kind, ends_on = "probation", employee.hired_on + timedelta(days=60)
    return sample_record(
        "hr",
        "contracts",
        employee.id.replace("emp", "con"),
        {
            "employee": employee.id,
            "kind": kind,
            "position": employee.position,
            "signed_on": day(employee.hired_on - timedelta(days=draw.randint(1, 10))),
            "starts_on": day(employee.hired_on),
            "ends_on": day(employee.left_on or ends_on),
            "weekly_hours": 48 if employee.department in {"production", "logistics"} else 40,
            "base_salary": money(employee.salary),
            "allowance": money(employee.allowance),
            "workplace": "Nhà máy" if employee.department == "production" else "Trụ sở chính",
            "terms": draw.choice(_TERMS) if chance(draw, 25) else None,
            "status": "terminated" if employee.left_on else "in_force",
        },
    )


def _insurance(employee: Employee, draw: Draw) -> SampleRecord:
    social_number = f"99{number.digits(draw, 8)}"
    claimed = chance(draw, 20) and (TODAY - employee.hired_on).days > 90
    return sample_record(
        "hr",
        "insurance",
        employee.id.replace("emp", "ins"),
        {
            "employee": employee.id,
            "social_insurance_number": social_number,
            "health_card": f"DN499{social_number}",
            "hospital": draw.choice(_HOSPITALS),
            "insured_salary": money(min(employee.salary, _INSURED_AT_MOST)),
            "employee_rate": "10.5",
            "employer_rate": "21.5",
            "since": day(employee.hired_on),
            "until": day(employee.left_on),
            "last_claim_on": day(max(employee.hired_on, days_ago(draw, 700))) if claimed else None,
            "last_claim": draw.choice(_CLAIMS) if claimed else None,
            "status": "closed" if employee.left_on else "active",
        },
    )


def _employed_in(employee: Employee, month: date) -> bool:
    """On the whole month's pay list: there on its first day."""
    return employee.hired_on <= month and (employee.left_on is None or employee.left_on >= month)


def _payroll(employee: Employee, month: date, draw: Draw) -> SampleRecord:
    bonus = draw.randrange(2, 21) * 250_000 if chance(draw, 15) else 0
    gross = employee.salary + employee.allowance + bonus
    insurance = min(employee.salary, _INSURED_AT_MOST) * 105 // 1000
    tax = _income_tax(gross - insurance)
    due = date(month.year, month.month + 1, 5)
    return sample_record(
        "hr",
        "payroll",
        f"pay-{month:%Y-%m}-{employee.id.removeprefix('emp-')}",
        {
            "employee": employee.id,
            "full_name": employee.person.full_name,
            "month": f"{month:%Y-%m}",
            "working_days": decimal(draw.randrange(19_000, 23_000, 500)),
            "gross_salary": money(gross),
            "insurance": money(insurance),
            "income_tax": money(tax),
            "net_salary": money(gross - insurance - tax),
            "bank": employee.bank,
            "bank_account": employee.account,
            "paid_on": day(due) if due <= TODAY else None,
            "status": "paid" if due <= TODAY else "approved",
            "note": f"Thưởng hoàn thành chỉ tiêu {bonus} đồng" if bonus else None,
        },
    )


def _income_tax(income: int) -> int:
    taxable = max(0, income - _PERSONAL_ALLOWANCE)
    tax, below = 0, 0
    for millions, percent in _BRACKETS:
        upper = millions * 1_000_000
        tax += max(0, min(taxable, upper) - below) * percent // 100
        below = upper
    return tax
