"""A furnished vault in a folder, and the application over it in this process.

`furnish` makes the vault once, which takes a second; `copied` gives each test its own copy. Time
stands still unless a test moves it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pyotp
from starlette.testclient import TestClient

from secvault.access import add_grant
from secvault.api.app import routes, whole
from secvault.clock import Clock
from secvault.config import Settings, load
from secvault.console import furnish as console
from secvault.crypto.secret import Secret
from secvault.identity.people import find_person
from secvault.service import (
    Service,
    authentication,
    bootstrap,
    grants,
    opening,
    records,
    systems,
)
from secvault.service.spine import Caller
from tests.activated import activated

NOON = 1_790_000_010  # ten seconds into a TOTP step
STEP = 30
PASSWORD = "a long enough passphrase"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
MAX_BODY = 400_000
BODY_SECONDS = 60.0
PAYSLIP = "pay-0042"

ROLES: Mapping[str, tuple[str, str, str]] = {
    # Who, by sign-in name: role, and the department that it is given in, and their own.
    "clerk": ("role:hr.clerk", "hr", "hr"),
    "head": ("role:hr.head", "hr", "hr"),
    "auditor": ("role:it.auditor", "*", "it"),
}


@dataclass
class Hands:
    """The hands of the clock: set by tests, in seconds since the epoch."""

    seconds: float = NOON

    def clock(self) -> Clock:
        """The clock that these hands belong to; only waiting for other threads takes real time."""
        return Clock(
            wall=lambda: int(self.seconds * 1_000_000), monotonic=time.monotonic, sleep=time.sleep
        )

    def code(self, seed: str, steps: int = 0) -> str:
        """The TOTP code that a device with this seed shows, so many steps from now."""
        return pyotp.TOTP(seed).at(int(self.seconds) + steps * STEP)


@dataclass(frozen=True)
class House:
    """A vault with people in it. tokens: the session of each person and the token of `system`.

    more: variables beside those that every vault of the tests has.
    """

    folder: Path
    hands: Hands
    tokens: dict[str, str]
    seeds: dict[str, str]
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """The settings of the vault; a password costs as little as they allow."""
        return load(
            None,
            {
                "SECVAULT_DATA": str(self.folder / "vault"),
                "SECVAULT_IDENTITY__ARGON2_MEMORY_MIB": "19",
                "SECVAULT_IDENTITY__ARGON2_PASSES": "2",
                **self.more,
            },
        )

    def open(self) -> AbstractContextManager[Service]:
        """The open service."""
        return opening.opened(self.settings, self.hands.clock(), program="test", environment={})


class Front:
    """The application, which is built once because that takes long, and opens one vault at a time.

    changed: what is done to the open service before it is served, to take a part away from it.
    """

    def __init__(self) -> None:
        self._open: Callable[[], AbstractContextManager[Service]] | None = None
        self.routes = routes(self._opened, MAX_BODY, furnish=console.furnish)
        self._app = whole(self.routes, MAX_BODY, BODY_SECONDS)

    def openapi(self) -> dict[str, Any]:
        """The description that the application gives of itself."""
        return self.routes.openapi()

    @contextmanager
    def serving(
        self, house: House, changed: Callable[[Service], Service] = lambda service: service
    ) -> Iterator[Api]:
        """The application over this vault, in this process."""

        @contextmanager
        def opened() -> Iterator[Service]:
            with house.open() as service:
                yield changed(service)

        self._open = opened
        with TestClient(self._app, base_url="http://127.0.0.1") as client:
            yield Api(client, house)

    def _opened(self) -> AbstractContextManager[Service]:
        assert self._open is not None
        return self._open()


@dataclass(frozen=True)
class Api:
    """Requests as somebody. who: a name among the house's tokens, or a token itself."""

    client: TestClient
    house: House
    headers: Mapping[str, str] = field(default_factory=dict)

    def __call__(
        self, method: str, path: str, who: str | None = None, body: Any = None, **more: Any
    ) -> httpx2.Response:
        headers = {**self.headers, **more.pop("headers", {})}
        if who is not None:
            headers["Authorization"] = f"Bearer {self.house.tokens.get(who, who)}"
        if body is not None:
            more["json"] = body
        return self.client.request(method, path, headers=headers, **more)

    def ok(self, method: str, path: str, who: str | None = None, body: Any = None) -> Any:
        """The JSON of an answer that must be a success."""
        answer = self(method, path, who, body)
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None


def furnish(
    folder: Path, hands: Hands | None = None, more: Mapping[str, str] | None = None
) -> House:
    """A new vault with an administrator, a clerk, a head, an auditor, a system and a payslip."""
    hands = hands or Hands()
    tokens: dict[str, str] = {}
    seeds = {"admin": SEED}
    house = House(folder, hands, tokens, seeds, more or {})
    opening.create_vault(house.settings, hands.clock())
    with house.open() as service:
        bootstrap.first_administrator(
            service,
            name="admin",
            display_name="Nguyễn Văn An",
            password=Secret.of(PASSWORD),
            seed=Secret.of(SEED),
        )
        operator = Caller(authentication.local_operator(service))
        for name, (role, where, own) in ROLES.items():
            seeds[name] = add_person(service, name, own)
            grants.add_grant(service, operator, subject=f"user:{name}", role=role, department=where)
        for name, seed in seeds.items():
            signed_in = authentication.sign_in(
                service, name, Secret.of(PASSWORD), Secret.of(hands.code(seed))
            )
            tokens[name] = signed_in.token.text()
        tokens["system"] = system_token(service, "system", "it", "role:it.cryptor")
        head = Caller(authentication.authenticate(service, tokens["head"]))
        records.create_record(service, head, "payroll", PAYSLIP, payslip())
    return house


def copied(house: House, folder: Path) -> House:
    """A copy of the vault that a test may change as it likes."""
    shutil.copytree(house.folder, folder, dirs_exist_ok=True)
    return House(folder, Hands(house.hands.seconds), dict(house.tokens), dict(house.seeds))


def add_person(service: Service, name: str, department: str) -> str:
    """Make a person with a TOTP device, whose present code is still unused; the seed."""
    return activated(service, name, department, PASSWORD)[1]


def join(service: Service, house: House, name: str, *grants_of: tuple[str, str]) -> Caller:
    """A person of department it with these roles, each with its department, who has signed in."""
    operator = Caller(authentication.local_operator(service))
    house.seeds[name] = add_person(service, name, "it")
    with service.store.write() as connection:
        for role, where in grants_of:
            # Not by the operation: a role may need approvals that a furnished vault cannot have.
            add_grant(
                connection,
                service.policy.rules,
                subject=find_person(connection, name).subject,
                role=role,
                department=where,
                granted_by=operator.principal.subject,
                at=service.clock.micros(),
            )
    return signed_in(service, house, name)


def signed_in(service: Service, house: House, name: str) -> Caller:
    """The person in a new session, whose token is the house's from now on; the next step."""
    house.hands.seconds += STEP
    opened = authentication.sign_in(
        service, name, Secret.of(PASSWORD), Secret.of(house.hands.code(house.seeds[name]))
    )
    house.tokens[name] = opened.token.text()
    return Caller(opened.principal)


def system_token(service: Service, name: str, department: str, *roles: str) -> str:
    """The token of a new calling system with these roles."""
    operator = Caller(authentication.local_operator(service))
    systems.create_account(
        service, operator, name=name, department=department, owner="admin", roles=roles
    )
    issued = systems.issue_token(service, operator, account=name, display_name=name, days=1)
    return issued.text.text()


def payslip(**changed: Any) -> dict[str, Any]:
    """The fields of a record of payroll."""
    money = {"amount": "31500000", "currency": "VND"}
    return {
        "employee": "nv-0042",
        "full_name": "Phạm Thị Kiều Oanh",
        "month": "2026-11",
        "working_days": "22",
        "gross_salary": money,
        "insurance": money,
        "income_tax": money,
        "net_salary": money,
        "bank": "VCB",
        "bank_account": "0071000123456",
        "status": "draft",
        **changed,
    }
