"""Who does many things at the same moment gets no further than one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from secvault.crypto.secret import Secret
from secvault.errors import ApprovalRequired, TooManyAttempts
from secvault.records.exports import register
from secvault.records.reveal import reveals_since
from secvault.service import Service, authentication, bootstrap, opening, records, reveals
from secvault.service.record_exports.as_shown import export_records
from secvault.service.record_exports.asked import Wanted
from secvault.service.spine import Caller
from secvault.tabular.writer import Format
from tests.running_service import PASSWORD, SEED, STEP, Hands, House, join, payslip, signed_in
from tests.service.approval_house import staffed

MOST = 2
AT_ONCE = 4
PAYROLL = Wanted("payroll", Format.JSONL, reason="the audit of 2026")


@dataclass(frozen=True)
class Desk:
    """A head who may take two records away in a day, and reveal two values in an hour."""

    service: Service
    head: Caller


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    more = {"SECVAULT_EXPORTS__APPROVAL_OVER": str(MOST), "SECVAULT_REVEALS__PER_HOUR": str(MOST)}
    if request.param == "postgresql":
        more["SECVAULT_STORE__URL"] = request.getfixturevalue("postgresql_url")
    house = House(tmp_path, Hands(), {}, {"admin": SEED}, more=more)
    opening.create_vault(house.settings, house.hands.clock())
    with house.open() as service:
        bootstrap.first_administrator(
            service,
            name="admin",
            display_name="An",
            password=Secret.of(PASSWORD),
            seed=Secret.of(SEED),
        )
        house.hands.seconds += STEP
        signed_in(service, house, "admin")
        # Where nobody can approve, nothing needs an approval.
        staffed(service, house).hire("binh")
        join(service, house, "head", ("role:hr.head", "hr"))
        head = Caller(authentication.authenticate(service, house.tokens["head"]))
        batch = {f"p-{number}": payslip(employee=f"nv-{number}") for number in range(AT_ONCE)}
        records.create_records(service, head, "payroll", batch)
        yield Desk(service, head)


def slowly(look: Callable[..., Any]) -> Callable[..., Any]:
    """The same, with time for others to look before anything is done about it."""

    def looked(*asked: object) -> Any:
        found = look(*asked)
        time.sleep(0.2)
        return found

    return looked


def done_at_once(act: Callable[[int], object], refusal: type[Exception]) -> int:
    """How many of the acts that begin together are not refused."""
    together, done = threading.Barrier(AT_ONCE, timeout=300), list[int]()

    def run(number: int) -> None:
        together.wait()
        try:
            act(number)
        except refusal:
            return
        done.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    return len(done)


def test_exports_that_begin_together_count_each_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register, "taken", slowly(register.taken))

    def take(number: int) -> None:
        only = Wanted(**{**vars(PAYROLL), "where": {"employee": f"nv-{number}"}})
        with export_records(desk.service, desk.head, only) as export:
            list(export.parts())
            export.finish()

    assert done_at_once(take, ApprovalRequired) == MOST


def test_values_that_are_revealed_together_count_each_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reveals, "reveals_since", slowly(reveals_since))

    def show(number: int) -> None:
        reveals.reveal_field(
            desk.service, desk.head, "payroll", f"p-{number}", "bank_account", "asked by phone"
        )

    assert done_at_once(show, TooManyAttempts) == MOST
