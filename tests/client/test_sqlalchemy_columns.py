"""Encrypted columns of SQLAlchemy, on SQLite and PostgreSQL, sealed by secvault and OpenBao."""

from __future__ import annotations

import pickle
import secrets
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    Select,
    Table,
    create_engine,
    insert,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, validates

from secvault.client import BadRequest, Client, ClientError, NotFound, WrongUse
from secvault.client.sqlalchemy import (
    BlindIndex,
    EncryptedBytes,
    EncryptedString,
    opened_in_bulk,
    sealed_in_bulk,
)
from tests.client.conftest import Server

TAX = "0312345678"


@dataclass
class Counted:
    """How many requests a client has sent."""

    client: Client
    requests: int = 0

    @contextmanager
    def exactly(self, count: int) -> Iterator[None]:
        """Inside, just so many requests are sent."""
        self.requests = 0
        yield
        assert self.requests == count


@pytest.fixture
def counted(server: Server) -> Iterator[Counted]:
    """A client whose requests are counted."""
    with server.client() as client:
        found = Counted(client)
        sent = client._sent

        def counting(step: Any) -> Any:
            found.requests += 1
            return sent(step)

        client._sent = counting  # type: ignore[method-assign]
        yield found


@dataclass(frozen=True)
class Payroll:
    """Models on a database of their own."""

    engine: Engine
    employee: Any
    contractor: Any


@pytest.fixture
def payroll(counted: Counted, key: str, request: pytest.FixtureRequest) -> Iterator[Payroll]:
    """Employees and contractors, whose phone column comes from a mixin."""
    vault = counted.client

    class Base(DeclarativeBase):
        pass

    class Reachable:
        phone: Mapped[str | None] = mapped_column(EncryptedString(lambda: vault, key))

    class Employee(Reachable, Base):
        __tablename__ = "employees"
        id: Mapped[int] = mapped_column(primary_key=True)
        tax: Mapped[str | None] = mapped_column(EncryptedString(vault, key))
        scan: Mapped[bytes | None] = mapped_column(EncryptedBytes(vault, key))
        tax_index: Mapped[str | None] = mapped_column(
            BlindIndex(vault, key, normalise=str.strip), index=True
        )

        @validates("tax")
        def _index(self, _: str, value: str | None) -> str | None:
            self.tax_index = value
            return value

    class Contractor(Reachable, Base):
        __tablename__ = "contractors"
        id: Mapped[int] = mapped_column(primary_key=True)

    engine = create_engine(_url(request))
    Base.metadata.create_all(engine)
    yield Payroll(engine, Employee, Contractor)
    engine.dispose()


def _url(request: pytest.FixtureRequest) -> str:
    if "postgresql" not in getattr(request, "param", "sqlite"):
        return "sqlite://"
    url: str = request.getfixturevalue("postgresql_url")
    return url.replace("postgresql://", "postgresql+psycopg://")


both = pytest.mark.parametrize(
    "payroll",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.real)],
    indirect=True,
)


@both
def test_values_are_ciphertexts_in_the_database_and_come_back(payroll: Payroll) -> None:
    with Session(payroll.engine) as session:
        session.add(payroll.employee(id=1, tax=TAX, scan=b"\x00\xff", phone=None))
        session.commit()
        session.expire_all()
        read = session.get(payroll.employee, 1)
        assert (read.tax, read.scan, read.phone) == (TAX, b"\x00\xff", None)
        stored = session.execute(text("SELECT tax, scan, tax_index, phone FROM employees")).one()
    assert [each[:9] for each in stored[:3]] == ["vault:v1:"] * 3
    assert stored[3] is None


@both
def test_a_ciphertext_moved_to_another_column_or_table_does_not_open(payroll: Payroll) -> None:
    with Session(payroll.engine) as session:
        session.add(payroll.employee(id=1, tax=TAX, phone="1"))
        session.commit()
        session.execute(text("UPDATE employees SET phone = tax"))
        session.execute(text("INSERT INTO contractors (id, phone) SELECT id, tax FROM employees"))
        session.commit()
        for model in (payroll.employee, payroll.contractor):
            with pytest.raises(BadRequest):
                session.get(model, 1)


@both
def test_equal_values_are_found_by_the_index_after_a_rotation_too(
    payroll: Payroll, counted: Counted, key: str
) -> None:
    employee = payroll.employee
    with Session(payroll.engine) as session:
        session.add_all([employee(id=1, tax=TAX), employee(id=2, tax="other")])
        session.commit()
        counted.client.rotate_key(key)
        session.add(employee(id=3, tax=f" {TAX} "))
        session.commit()
        found = session.scalars(select(employee.id).where(employee.tax_index == TAX))
        assert sorted(found) == [1, 3]
        many = select(employee.id).where(employee.tax_index.in_([TAX, "other"]))
        assert sorted(session.scalars(many)) == [1, 2, 3]


@both
def test_a_thousand_rows_are_written_and_read_with_a_request_for_each_column(
    payroll: Payroll, counted: Counted, server: Server
) -> None:
    employee = payroll.employee
    rows = 1000
    batches = -(-rows // server.batch.items)
    employees = [employee(id=n, tax=f"{n % 7}", phone=f"+84{n}") for n in range(rows)]
    numbers = [each.tax for each in employees]
    everyone = select(employee).order_by(employee.id)
    values = {
        employee.tax: numbers,
        employee.tax_index: numbers,
        employee.phone: [each.phone for each in employees],
    }
    with Session(payroll.engine) as session:
        with counted.exactly(3 * batches), sealed_in_bulk(values):
            session.add_all(employees)
            session.commit()
        # Equal values are not equal ciphertexts.
        distinct = session.scalar(text("SELECT count(DISTINCT tax) FROM employees"))
        assert distinct == rows
        with counted.exactly(2 * batches), opened_in_bulk(session, everyone):
            read = session.scalars(everyone).all()
            assert [(each.tax, each.phone) for each in read] == [
                (f"{n % 7}", f"+84{n}") for n in range(rows)
            ]
        assert len(read) == rows


def test_only_the_rows_and_columns_of_the_statement_are_opened(
    payroll: Payroll, counted: Counted
) -> None:
    employee = payroll.employee
    with Session(payroll.engine) as session:
        session.add_all([employee(id=n, tax=str(n), phone=str(n)) for n in range(6)])
        session.commit()
        phones: Select[Any] = (
            select(employee.id, employee.phone)
            .where(employee.id > 1)
            .order_by(employee.id)
            .offset(1)
            .limit(2)
        )
        with counted.exactly(1), opened_in_bulk(session, phones):
            assert session.execute(phones).all() == [(3, "3"), (4, "4")]
        with counted.exactly(1), payroll.engine.connect() as connection:
            core = select(employee.__table__.c.tax).order_by(employee.__table__.c.id)
            with opened_in_bulk(connection, core):
                assert connection.scalars(core).all() == [str(n) for n in range(6)]
        with counted.exactly(0), opened_in_bulk(session, select(employee.id)):
            assert len(session.scalars(select(employee.id)).all()) == 6


def test_one_damaged_row_does_not_keep_the_others_from_being_opened_in_bulk(
    payroll: Payroll,
) -> None:
    employee = payroll.employee
    with Session(payroll.engine) as session:
        session.add_all([employee(id=n, tax=str(n)) for n in range(3)])
        session.commit()
        session.execute(text("UPDATE employees SET tax = 'vault:v1:AAAA' WHERE id = 1"))
        everyone = select(employee.tax).order_by(employee.id)
        with opened_in_bulk(session, everyone):
            rows = session.execute(select(employee.tax).where(employee.id != 1)).all()
            assert [row.tax for row in rows] == ["0", "2"]
            with pytest.raises(BadRequest):
                session.execute(everyone).all()


COMPARISONS: list[Callable[[Any], Any]] = [
    lambda of: of.tax == TAX,
    lambda of: of.tax != TAX,
    lambda of: of.tax.in_([TAX]),
    lambda of: of.tax.like("03%"),
    lambda of: of.tax < TAX,
    lambda of: of.tax + "0",
    lambda of: "0" + of.tax,
    lambda of: of.tax.desc(),
    lambda of: of.tax_index.like("03%"),
    lambda of: of.tax_index < TAX,
]


@pytest.mark.parametrize("compare", COMPARISONS)
def test_what_the_database_cannot_answer_is_refused_with_the_mend(
    payroll: Payroll, compare: Callable[[Any], Any]
) -> None:
    with pytest.raises(ArgumentError, match="cannot be answered"):
        compare(payroll.employee)


def test_null_can_be_asked_for(payroll: Payroll) -> None:
    employee = payroll.employee
    with Session(payroll.engine) as session:
        session.add_all([employee(id=1, tax=TAX), employee(id=2, tax=None)])
        session.commit()
        for asked, found in [(employee.tax.is_(None), 2), (employee.tax != None, 1)]:  # noqa: E711
            assert session.scalars(select(employee.id).where(asked)).all() == [found]


def test_an_error_is_the_clients_own_and_shows_no_value(payroll: Payroll, counted: Counted) -> None:
    hidden = secrets.token_hex(8)
    counted.client.close()
    with Session(payroll.engine) as session:
        session.add(payroll.employee(id=2, phone=hidden))
        with pytest.raises(ClientError) as raised:
            session.flush()
    assert hidden not in "".join(traceback.format_exception(raised.value))


def test_an_error_of_a_column_is_caught_and_pickled_as_what_it_is(
    counted: Counted, key: str
) -> None:
    table = Table(
        "t",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("a", EncryptedString(counted.client, key, mount="nowhere")),
    )
    engine = create_engine("sqlite://")
    table.metadata.create_all(engine)
    with engine.begin() as connection:
        with pytest.raises(NotFound) as raised:
            connection.execute(insert(table), {"a": "x"})
        assert type(pickle.loads(pickle.dumps(raised.value))) is NotFound


def test_a_stated_place_outlives_the_renaming_of_a_column(counted: Counted, key: str) -> None:
    engine = create_engine("sqlite://")
    old = Table("staff", MetaData(), Column("tax", EncryptedString(counted.client, key)))
    old.metadata.create_all(engine)
    renamed = EncryptedString(counted.client, key, place="staff.tax")
    new = Table("people", MetaData(), Column("tax_number", renamed))
    with engine.begin() as connection:
        connection.execute(insert(old), {"tax": TAX})
        connection.execute(text("ALTER TABLE staff RENAME TO people"))
        connection.execute(text("ALTER TABLE people RENAME COLUMN tax TO tax_number"))
        assert connection.scalar(select(new.c.tax_number)) == TAX


def test_one_type_does_not_serve_two_columns(counted: Counted, key: str) -> None:
    shared = EncryptedString(counted.client, key)
    with pytest.raises(WrongUse, match="make one for each"):
        Table(f"t{secrets.token_hex(3)}", MetaData(), Column("a", shared), Column("b", shared))


def test_a_value_of_another_type_is_refused_without_showing_it(
    payroll: Payroll,
) -> None:
    with Session(payroll.engine) as session:
        session.add(payroll.employee(id=1, scan=31500000))
        with pytest.raises(WrongUse) as raised:
            session.flush()
        assert "31500000" not in str(raised.value)
