"""People's records in several departments, and those who may erase, hold and report."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from secvault.errors import ApprovalRequired
from secvault.service import Service, records
from secvault.service.approvals import operations as approvals
from secvault.service.approvals import requests
from secvault.service.erasing import erasures
from secvault.service.erasing.erasures import Erased
from secvault.service.erasing.target import Kind, target_of
from secvault.service.spine import Caller
from tests.running_service import House, join, payslip, signed_in

KIEU, BINH = "nv-0042", "nv-0007"
NAME = "Phạm Thị Kiều Oanh"
EMPLOYEE = {
    "full_name": NAME,
    "gender": "female",
    "birth_date": "1990-05-02",
    "home_address": "12 Đường Mẫu, Hà Nội",
    "phone": "+84901234567",
    "email": "kieu.oanh@example.com",
    "department": "hr",
    "position": "Chuyên viên",
    "hired_on": "2015-01-05",
    "status": "active",
}
VISITOR = {
    "full_name": "Trần Văn Khách",
    "purpose": "delivery",
    "host": BINH,
}


@dataclass
class Office:
    """head: of hr. privacy: who answers for data protection."""

    service: Service
    house: House
    head: Caller
    privacy: Caller

    def hire(self, *names: str) -> None:
        """More administrators, so that approvals are asked for."""
        for name in names:
            join(self.service, self.house, name, ("role:it.admin", "it"), ("role:it.approver", "*"))

    def again(self, name: str) -> Caller:
        """The same person, with a factor shown just now."""
        return signed_in(self.service, self.house, name)

    def erase(self, who: Caller, kind: Kind, name: str, collection: str = "") -> Erased:
        target = target_of(self.service, kind, collection, name)
        return erasures.erase(self.service, who, target, "the person asked for it")

    def erase_person(self, number: str = KIEU) -> Erased:
        return self.erase(self.again("privacy"), Kind.PERSON, number)

    def approved(self, error: ApprovalRequired, by: str) -> None:
        """Approve the request that was made."""
        assert error.request
        with self.service.store.read() as connection:
            found = requests.read_request(connection, self.service.clock, error.request)
        approvals.approve(self.service, self.again(by), error.request, found.proposal.digest)

    def asking(self, who: Caller) -> Caller:
        return replace(who, reason="for a test")


def opened_office(service: Service, house: House) -> Office:
    head = join(service, house, "hoa", ("role:hr.head", "hr"))
    records.create_record(service, head, "employees", KIEU, EMPLOYEE)
    records.create_record(
        service, head, "employees", BINH, {**EMPLOYEE, "full_name": "Lê Văn Bình"}
    )
    for month in ("2026-09", "2026-10"):
        slip = payslip(month=month, employee="NV-0042")
        records.create_record(service, head, "payroll", f"p-42-{month}", slip)
    other = payslip(employee=BINH, full_name="Lê Văn Bình")
    records.create_record(service, head, "payroll", "p-7", other)
    privacy = join(service, house, "privacy", ("role:it.privacy", "*"))
    return Office(service, house, head, privacy)


@pytest.fixture
def office(service: Service, house: House) -> Office:
    return opened_office(service, house)
