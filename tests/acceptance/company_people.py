"""The people of the company that browsers look at, and the systems that call for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pyotp
from sqlalchemy import insert, update

from secvault.access import add_grant
from secvault.crypto.secret import Secret
from secvault.identity import enrolment, people, totp
from secvault.identity.people import NewPerson
from secvault.service import Service, authentication, eligibilities, invitations
from secvault.service.spine import Caller
from secvault.store import tables
from tests.acceptance.installation import ADMINISTRATOR, PASSWORD, SEED

STEP = 30
DEVICES = 4
"""Of each person: a device gives two codes at once, and those who look at pages need many."""
TOO_MANY = 10
"""Wrong codes, by which a device is locked."""

# What a text must never be to a page: an element, or the end of what stands around it.
TAKEN = "document.title='taken'"
MARKUP = f"""<img src=x onerror="{TAKEN}">'"><script>{TAKEN}</script>"""
# Nor may it turn what follows. Nobody can type that any more; rows from elsewhere may hold it.
HOSTILE = f"{MARKUP}\u202egnp.gnoul\u2066"
LONG = "cong-tang-ton-nu-" + "bao-chau-" * 5 + "x"
LONG_NAME = "Công Tằng Tôn Nữ " + "Thị Bảo Châu Ngọc Diễm Phương " * 5 + "Hoàng Anh"
UNBROKEN = "Nguyễnđìnhphươngthảo" * 6


@dataclass
class Person:
    """Somebody who can sign in. used: the newest step that a code was shown of, by seed."""

    name: str
    seeds: tuple[str, ...] = ()
    password: str = field(default=PASSWORD, repr=False)
    used: dict[str, int] = field(default_factory=dict, repr=False)

    def code(self, now: Callable[[], float] = time.time) -> str:
        """A code that the service still takes; waits for one where all are used."""
        while True:
            step = int(now()) // STEP
            for ahead in (0, 1):
                for seed in self.seeds:
                    if self.used.get(seed, 0) < step + ahead:
                        self.used[seed] = step + ahead
                        return pyotp.TOTP(seed).at((step + ahead) * STEP)
            time.sleep(0.5)

    def signed_in(self, service: Service) -> Caller:
        """The person in a new session, in this process."""
        came = authentication.sign_in(
            service, self.name, Secret.of(self.password), Secret.of(self.code())
        )
        return Caller(came.principal)


@dataclass(frozen=True)
class Described:
    """A person as they are made. grants: roles, each with where it is given."""

    name: str
    display_name: str
    department: str
    grants: tuple[tuple[str, str], ...] = ()


PEOPLE = (
    Described("binh", "Trần Thị Thanh Bình", "it", (("role:it.admin", "it"),)),
    Described("ngan", "Lê Hoàng Kim Ngân", "it", (("role:it.auditor", "*"),)),
    Described("hoa", "Phạm Thị Quỳnh Hoa", "hr", (("role:hr.head", "hr"),)),
    Described("lan", "Đỗ Ngọc Lan", "hr", (("role:hr.payroll_clerk", "hr"),)),
    Described(LONG, LONG_NAME, "hr", (("role:hr.clerk", "hr"),)),
    Described("phuoc", "Đặng Hữu Phước", "accounting", (("role:accounting.head", "accounting"),)),
    Described("thuy", UNBROKEN, "accounting", (("role:accounting.clerk", "accounting"),)),
    Described("mallory", HOSTILE, "logistics", (("role:logistics.clerk", "logistics"),)),
    Described("dung", "Võ Trung Dũng", "logistics", (("role:logistics.head", "logistics"),)),
    Described("quy", "Huỳnh Thị Quý", "production", (("role:production.head", "production"),)),
    Described("giang", "مريم \u05d3\u05d5\u05d3 Giang", "quality"),
    Described("khoa", "Bùi Đăng Khoa", "analysis"),
    Described("nghi", "Ngô Gia Nghi", "administration"),
    Described("warden", "Quản Trí Kho", "it", (("role:it.key_custodian", "it"),)),
)
LOCKED, LEFT, INVITED = "khoa", "nghi", "moi"


def bring_in(service: Service) -> dict[str, Person]:
    """Everybody, by sign-in name; one is locked out, one has left, one has only been invited."""
    found = {ADMINISTRATOR: Person(ADMINISTRATOR, (SEED, *_devices(service, ADMINISTRATOR, 3)))}
    for one in PEOPLE:
        found[one.name] = _made(service, one)
    with service.store.write() as connection:
        lost = people.find_person(connection, LOCKED)
        device = tables.totp_device
        connection.execute(
            update(device).where(device.c.person == lost.id).values(failures=TOO_MANY)
        )
        people.disable_person(connection, service.clock, people.find_person(connection, LEFT).id)
    return found


def put_names(service: Service) -> None:
    """The administrator's own name as somebody of the company would have it."""
    with service.store.write() as connection:
        person = tables.person
        connection.execute(
            update(person)
            .where(person.c.name == ADMINISTRATOR)
            .values(display_name="Nguyễn Văn An")
        )


def invite(service: Service, caller: Caller) -> str:
    """Somebody who has not come yet; the code of the invitation."""
    invited = invitations.invite(
        service, caller, NewPerson.of(INVITED, "Nguyễn Thị Mới", "production")
    )
    assert invited.code is not None
    return invited.code.text()


def make_eligible(service: Service, operator: Caller) -> None:
    """Somebody who may put on a role for a while."""
    wanted = eligibilities.WantedEligibility("user:hoa", "role:it.monitor", "it", minutes=60)
    eligibilities.add(service, operator, wanted)


def add_factors(service: Service, name: str) -> tuple[str, str, str]:
    """A passkey and a device that waits for its codes; the ids of the passkey, of this device and
    of one in use.
    """
    with service.store.write() as connection:
        person = people.find_person(connection, name)
        began = enrolment.begin_enrolment(
            connection,
            service.clock,
            service.entrance.keys,
            person,
            name="máy tính bảng ở nhà kho",
            issuer="secvault",
        )
        passkey = service.random(16).hex()
        connection.execute(
            insert(tables.passkey).values(
                id=passkey,
                person=person.id,
                name="khóa bảo mật trên chùm chìa khóa",
                credential_id=service.random(16),
                public_key=b"\xa0",
                sign_count=0,
                transports="usb nfc",
                backup_eligible=False,
                backed_up=False,
                created_at=service.clock.micros(),
            )
        )
        device = tables.totp_device.c
        used = connection.execute(
            tables.totp_device.select().where(
                device.person == person.id, device.id != began.device.id
            )
        ).first()
        assert used is not None
        return passkey, began.device.id, used.id


def _made(service: Service, one: Described) -> Person:
    hashed = service.entrance.hasher.hash(Secret.of(PASSWORD))
    with service.store.write() as connection:
        made = people.create_person(
            connection, service.clock, NewPerson(one.name, one.display_name, one.department), hashed
        )
        for role, where in one.grants:
            # Not by the operation: in a company with two administrators it needs approvals.
            add_grant(
                connection,
                service.policy.rules,
                subject=made.subject,
                role=role,
                department=where,
                granted_by="local:operator",
                at=service.clock.micros(),
            )
    return Person(one.name, _devices(service, one.name, DEVICES))


def _devices(service: Service, name: str, count: int) -> tuple[str, ...]:
    seeds = []
    with service.store.write() as connection:
        person = people.find_person(connection, name)
        for number in range(count):
            seed = totp.base32(totp.new_seed(service.random))
            enrolment.adopt_device(
                connection,
                service.clock,
                service.entrance.keys,
                person,
                name=f"điện thoại {number + 1}",
                seed=seed,
            )
            seeds.append(seed.text())
    return tuple(seeds)
