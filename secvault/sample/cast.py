"""Who appears in the sample: the employees of the company, its suppliers and its customers."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

from secvault.sample import number
from secvault.sample.record import TODAY, Draw, chance, days_ago, draw_for

DOMAIN = "backoffice.example"

_HEADS = ("Trưởng phòng", 45_000_000, 80_000_000)
# Department, how many of a hundred people work there, and its positions with monthly salaries.
_DEPARTMENTS: tuple[tuple[str, int, tuple[tuple[str, int, int], ...]], ...] = (
    ("production", 30, (("Công nhân vận hành", 9, 15), ("Kỹ sư quy trình", 18, 32))),
    ("logistics", 15, (("Nhân viên kho", 8, 13), ("Điều phối vận tải", 12, 20))),
    ("quality", 12, (("Kiểm nghiệm viên", 12, 20), ("Quality engineer", 18, 30))),
    ("accounting", 10, (("Kế toán viên", 12, 22), ("Kế toán tổng hợp", 20, 32))),
    ("settlement", 8, (("Chuyên viên thanh toán", 14, 24), ("Đối soát viên", 12, 20))),
    ("it", 7, (("System administrator", 20, 38), ("Kỹ sư phần mềm", 22, 45))),
    ("administration", 7, (("Nhân viên hành chính", 9, 15), ("Lễ tân", 8, 12))),
    ("analysis", 6, (("Data analyst", 20, 36), ("Chuyên viên phân tích", 18, 30))),
    ("hr", 5, (("Chuyên viên nhân sự", 13, 22), ("Payroll specialist", 15, 25))),
)


class Names(Protocol):
    """What is used of Faker; its own types do not know the methods of its providers."""

    def seed_instance(self, seed: int | str) -> object: ...
    def last_name(self) -> str: ...
    def middle_name(self) -> str: ...
    def first_name_male(self) -> str: ...
    def first_name_female(self) -> str: ...
    def street_address(self) -> str: ...
    def city(self) -> str: ...
    def company(self) -> str: ...


@dataclass(frozen=True)
class Person:
    """Somebody with a name, a telephone and an address; not necessarily of the company."""

    full_name: str
    female: bool
    foreign: bool
    phone: str
    email: str
    address: str


@dataclass(frozen=True)
class Employee:
    """One employee. salary, allowance: đồng a month."""

    id: str
    person: Person
    born: date
    department: str
    position: str
    hired_on: date
    left_on: date | None
    salary: int
    allowance: int
    bank: str
    account: str


@dataclass(frozen=True)
class Company:
    """A supplier or customer. tax_code: None abroad."""

    name: str
    foreign: bool
    contact: Person
    tax_code: str | None
    bank: str
    account: str

    @property
    def currency(self) -> str:
        """What its invoices are written in."""
        return "USD" if self.foreign else "VND"


@dataclass(frozen=True)
class Cast:
    """Everybody.

    employees: in the order of their ids, the heads of departments first. present: those who have
    not left. teams: those by department, none of them empty.
    """

    employees: Sequence[Employee]
    present: Sequence[Employee]
    teams: Mapping[str, Sequence[Employee]]
    suppliers: Sequence[Company]
    customers: Sequence[Company]
    passers_by: Sequence[Person]


def cast_for(seed: int, people: int) -> Cast:
    """The cast of a company with so many employees."""
    naming = _Naming(seed)
    draw = draw_for(seed, "cast")
    employees = [_employee(draw, naming, count) for count in range(1, people + 1)]
    present = [employee for employee in employees if employee.left_on is None]
    return Cast(
        employees=employees,
        present=present,
        teams={
            name: [employee for employee in present if employee.department == name]
            for name, _, _ in _DEPARTMENTS
        },
        suppliers=[_company(draw, naming) for _ in range(max(3, people // 2))],
        customers=[_company(draw, naming) for _ in range(max(3, people * 3 // 4))],
        passers_by=[naming.person(draw, "mail.example") for _ in range(max(10, people * 2))],
    )


class _Naming:
    """Gives names and addresses; an e-mail address only once."""

    def __init__(self, seed: int) -> None:
        # Imported here: Faker takes a good part of a second, and only sample data needs it.
        from faker import Faker  # noqa: PLC0415

        self._vietnamese: Names = Faker("vi_VN")
        self._english: Names = Faker("en_US")
        self._vietnamese.seed_instance(f"{seed}/vi")
        self._english.seed_instance(f"{seed}/en")
        self._addresses: set[str] = set()

    def person(self, draw: Draw, domain: str) -> Person:
        """Somebody new; one in eight with an English name."""
        female, foreign = chance(draw, 50), chance(draw, 12)
        source = self._english if foreign else self._vietnamese
        given = source.first_name_female() if female else source.first_name_male()
        if foreign:
            name = f"{given} {source.last_name()}"
        else:
            # Faker puts the family name last, as no Vietnamese does.
            middle = source.middle_name()
            if middle == ("Văn" if female else "Thị"):
                middle = "Thị" if female else "Văn"
            name = f"{source.last_name()} {middle} {given}"
        return Person(
            full_name=name,
            female=female,
            foreign=foreign,
            phone=number.phone(draw, foreign=foreign),
            email=self._email(name, domain),
            address=f"{self._vietnamese.street_address()}, {self._vietnamese.city()}",
        )

    def company(self, draw: Draw, *, foreign: bool) -> str:
        """The name of a company."""
        if foreign:
            return self._english.company()
        form = draw.choice(("Công ty TNHH", "Công ty Cổ phần", "Doanh nghiệp tư nhân"))
        words = self._vietnamese.first_name_female(), self._vietnamese.first_name_male()
        return f"{form} {' '.join(words)}"

    def _email(self, name: str, domain: str) -> str:
        plain = unicodedata.normalize("NFD", name.lower().replace("đ", "d"))
        local = ".".join("".join(c for c in plain if c.isascii()).split())
        address, again = f"{local}@{domain}", 1
        while address in self._addresses:
            again += 1
            address = f"{local}{again}@{domain}"
        self._addresses.add(address)
        return address


def _employee(draw: Draw, naming: _Naming, count: int) -> Employee:
    person = naming.person(draw, DOMAIN)
    # The first of each department is its head, so that none is empty.
    head = count <= len(_DEPARTMENTS)
    if head:
        department = _DEPARTMENTS[count - 1][0]
        position, least, most = _HEADS
    else:
        weights = [share for _, share, _ in _DEPARTMENTS]
        department, _, positions = draw.choices(_DEPARTMENTS, weights)[0]
        position, low, high = draw.choice(positions)
        least, most = low * 1_000_000, high * 1_000_000
    born = days_ago(draw, 58 * 365, 22 * 365)
    grown = born + timedelta(days=21 * 365)
    hired_on = max(grown, days_ago(draw, 12 * 365, 45))
    leaves = not head and chance(draw, 6)
    left_on = max(hired_on + timedelta(days=30), days_ago(draw, 170, 5)) if leaves else None
    return Employee(
        id=f"emp-{count:04d}",
        person=person,
        born=born,
        department=department,
        position=position,
        hired_on=hired_on,
        left_on=left_on if left_on is not None and left_on <= TODAY else None,
        salary=draw.randrange(least, most + 1, 100_000),
        allowance=draw.randrange(5, 31) * 100_000,
        bank=draw.choice(number.BANKS),
        account=number.account(draw),
    )


def _company(draw: Draw, naming: _Naming) -> Company:
    foreign = chance(draw, 15)
    return Company(
        name=naming.company(draw, foreign=foreign),
        foreign=foreign,
        contact=naming.person(draw, "partner.example"),
        tax_code=None if foreign else number.tax_code(draw),
        bank=number.FOREIGN_BANK if foreign else draw.choice(number.BANKS),
        account=number.account(draw, foreign=foreign),
    )
