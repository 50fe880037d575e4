"""Who made a record does not approve it, whatever roles they hold; an approval is of a version."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, update

from secvault.access import add_grant
from secvault.audit.query import Question, page
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged, NotFound, Refused, VersionMismatch
from secvault.records import history
from secvault.service import Service, authentication, bootstrap, opening, records, systems
from secvault.service.record_views import RecordView
from secvault.service.spine import Caller
from secvault.store.tables import object_actor, record_release
from tests.running_service import PASSWORD, SEED, STEP, Hands, House, join, signed_in, system_token
from tests.service.test_approvals_at_once import HouseAt

HEAD = ("role:settlement.head", "settlement")
MONEY = {"amount": "1000", "currency": "VND"}
TAX = {
    "tax": "value_added",
    "period": "2026-11",
    "tax_code": "0100109106",
    "taxable_amount": MONEY,
    "tax_due": MONEY,
    "due_on": "2026-12-20",
    "prepared_by": "lan",
    "status": "draft",
}


class Desk:
    """An accounting office with two heads, who may both enter and approve."""

    def __init__(self, service: Service, house: House) -> None:
        self.service, self.house = service, house
        self.lan, self.minh, self.hoa = (
            join(service, house, name, ("role:accounting.head", "accounting"))
            for name in ("lan", "minh", "hoa")
        )
        self.count = 0

    def enter(self, who: Caller) -> str:
        self.count += 1
        made = records.create_record(self.service, who, "tax_filings", f"vat-{self.count}", TAX)
        return made.id

    def change(self, who: Caller, record: str, version: int = 1) -> RecordView:
        return records.update_record(
            self.service, who, "tax_filings", record, {"period": "2026-12"}, version
        )

    def approve(self, who: Caller, record: str, version: int = 1) -> RecordView:
        return records.approve_record(self.service, who, "tax_filings", record, version)

    def read(self, record: str) -> RecordView:
        return records.read_record(self.service, self.lan, "tax_filings", record)


@pytest.fixture
def desk(service: Service, house: House) -> Desk:
    return Desk(service, house)


def test_a_second_person_approves_and_everybody_sees_who_and_when(desk: Desk) -> None:
    record = desk.enter(desk.lan)
    assert (desk.read(record).released, desk.read(record).approved) == (True, None)
    view = desk.approve(desk.minh, record)
    assert view.approved is not None
    assert view.approved.approved_by == desk.minh.principal.subject
    assert view.approved.approved_at == desk.service.clock.micros()
    assert desk.read(record).approved == view.approved
    listed = records.list_records(desk.service, desk.lan, "tax_filings", "", 5).records
    assert [one.approved for one in listed] == [view.approved]


def test_who_entered_it_does_not_approve_it_though_their_role_may(desk: Desk) -> None:
    record = desk.enter(desk.lan)
    with pytest.raises(Refused, match="only to somebody who is known not to have made"):
        desk.approve(desk.lan, record)
    assert desk.read(record).approved is None
    desk.service.audit.drain()
    (entry,) = page(desk.service.store, Question(kind="record.approve"), limit=5).events
    assert entry.event.outcome == "denied"


def test_who_changed_it_does_not_approve_it_either_and_a_third_does(desk: Desk) -> None:
    record = desk.enter(desk.lan)
    desk.change(desk.minh, record)
    for maker in (desk.lan, desk.minh):
        with pytest.raises(Refused):
            desk.approve(maker, record, 2)
    assert desk.approve(desk.hoa, record, 2).approved is not None


def test_a_change_after_the_approval_makes_it_a_draft_again(desk: Desk) -> None:
    record = desk.enter(desk.lan)
    desk.approve(desk.minh, record)
    assert desk.change(desk.lan, record).approved is None
    assert desk.read(record).approved is None
    assert desk.approve(desk.minh, record, 2).approved is not None


def test_what_was_changed_since_one_looked_is_not_approved(desk: Desk) -> None:
    record = desk.enter(desk.lan)
    desk.change(desk.lan, record)
    with pytest.raises(VersionMismatch, match="version 2, not 1"):
        desk.approve(desk.minh, record, 1)
    assert desk.read(record).approved is None


def test_an_approval_is_given_once(desk: Desk) -> None:
    record = desk.enter(desk.lan)
    desk.approve(desk.minh, record)
    with pytest.raises(Conflict, match="approved already"):
        desk.approve(desk.hoa, record)


def test_records_that_are_not_there_or_not_approved_say_so(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.approve(desk.minh, "vat-none")
    head = Caller(authentication.authenticate(desk.service, desk.house.tokens["head"]))
    with pytest.raises(Refused):
        records.approve_record(desk.service, head, "payroll", "pay-0042", 1)
    with pytest.raises(Refused):
        records.approve_record(desk.service, head, "tax_filings", "vat-none", 1)


def test_a_record_that_is_entered_anew_has_new_makers(desk: Desk) -> None:
    record = desk.enter(desk.lan)
    records.delete_record(desk.service, desk.lan, "tax_filings", record, 1)
    records.create_record(desk.service, desk.minh, "tax_filings", record, TAX)
    with pytest.raises(Refused):
        desk.approve(desk.minh, record)
    assert desk.approve(desk.lan, record).approved is not None


def test_where_nobody_knows_who_made_it_nobody_approves_it_until_somebody_changes_it(
    desk: Desk,
) -> None:
    record = desk.enter(desk.lan)
    with desk.service.store.write() as connection:
        connection.execute(delete(object_actor))
    with pytest.raises(Refused, match="only to somebody who is known not to have made"):
        desk.approve(desk.minh, record)
    desk.change(desk.lan, record)
    assert desk.approve(desk.minh, record, 2).approved is not None


# Systems that somebody answers for


def robot(desk: Desk, owner: str) -> Caller:
    text = system_token(desk.service, f"robot-of-{owner}", "it", "role:it.cryptor")
    caller = Caller(authentication.authenticate(desk.service, text))
    operator = Caller(authentication.local_operator(desk.service))
    systems.hand_over(desk.service, operator, f"robot-of-{owner}", owner)
    with desk.service.store.write() as connection:
        add_grant(
            connection,
            desk.service.policy.rules,
            subject=caller.principal.subject,
            role="role:accounting.head",
            department="accounting",
            granted_by="local:operator",
            at=desk.service.clock.micros(),
        )
    return caller


def test_a_system_of_the_maker_counts_as_the_maker(desk: Desk) -> None:
    record = desk.enter(desk.lan)
    with pytest.raises(Refused):
        desk.approve(robot(desk, "lan"), record)
    assert desk.approve(robot(desk, "minh"), record).approved is not None


def test_who_answers_for_the_system_that_entered_it_or_did_then_counts_as_its_maker(
    desk: Desk,
) -> None:
    of_lan = robot(desk, "lan")
    record = desk.enter(of_lan)
    with pytest.raises(Refused):
        desk.approve(desk.lan, record)
    operator = Caller(authentication.local_operator(desk.service))
    systems.hand_over(desk.service, operator, "robot-of-lan", "hoa")
    for who in (desk.lan, desk.hoa):
        with pytest.raises(Refused):
            desk.approve(who, record)
    assert desk.approve(desk.minh, record).approved is not None


# What an intruder in the database could do


@pytest.mark.parametrize(
    "changed",
    [{"approved_by": "user:somebody"}, {"approved_at": 1}, {"tag": b"x" * 32}],
    ids=str,
)
def test_an_approval_that_was_made_up_in_the_database_is_noticed(
    desk: Desk, changed: dict[str, object]
) -> None:
    record = desk.enter(desk.lan)
    desk.approve(desk.minh, record)
    with desk.service.store.write() as connection:
        connection.execute(update(record_release).values(**changed))
    with pytest.raises(Damaged, match="the approval of tax_filings/vat-1"):
        desk.read(record)


def test_an_approval_of_another_record_or_version_does_not_fit(desk: Desk) -> None:
    first, second = desk.enter(desk.lan), desk.enter(desk.lan)
    desk.approve(desk.minh, first)
    with desk.service.store.write() as connection:
        connection.execute(update(record_release).values(record=second))
    with pytest.raises(Damaged):
        desk.read(second)


# At the same moment, on either engine


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def busy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    url = "" if request.param == "sqlite" else str(request.getfixturevalue("postgresql_url"))
    house = HouseAt(tmp_path, Hands(), {}, {"admin": SEED}, url=url)
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
        yield Desk(service, house)


def at_once(*acts: Callable[[], object]) -> None:
    together = threading.Barrier(len(acts), timeout=300)

    def run(act: Callable[[], object]) -> None:
        together.wait()
        with suppress(Conflict, VersionMismatch, Refused):
            act()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)


def actors(desk: Desk, record: str) -> list[tuple[int, str, str]]:
    column = object_actor.c
    with desk.service.store.read() as connection:
        rows = connection.execute(
            object_actor.select().where(column.object == f"tax_filings/{record}")
        ).all()
    return sorted((row.version, row.action, row.subject) for row in rows)


def test_of_two_who_approve_at_once_one_does(busy: Desk) -> None:
    for _ in range(2):
        record = busy.enter(busy.lan)
        at_once(
            lambda record=record: busy.approve(busy.minh, record),  # type: ignore[misc]
            lambda record=record: busy.approve(busy.hoa, record),  # type: ignore[misc]
        )
        assert busy.read(record).approved is not None
        assert [action for _, action, _ in actors(busy, record)].count("record.approve") == 1


def test_a_change_at_the_moment_of_the_approval_leaves_no_changed_record_approved(
    busy: Desk,
) -> None:
    for turn in range(4):
        record = busy.enter(busy.lan)
        # Whoever approves tries to slip a change of their own under it, sometimes as the version
        # that they approve.
        at_once(
            lambda record=record: busy.change(busy.minh, record),  # type: ignore[misc]
            lambda record=record, version=1 + turn % 2: busy.approve(  # type: ignore[misc]
                busy.minh, record, version
            ),
        )
        view = busy.read(record)
        assert view.version == 2
        assert view.approved is None
        for version, action, subject in actors(busy, record):
            if action == "record.approve":
                makers = {
                    one
                    for at, made, one in actors(busy, record)
                    if made != action and at <= version
                }
                assert subject not in makers


def test_nobody_becomes_a_maker_between_the_look_at_the_makers_and_the_approval(
    busy: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = busy.enter(busy.lan)
    look, looks = history.makers_of, []
    slipped_in = threading.Thread(target=lambda: busy.change(busy.minh, record))

    def slow(connection: Connection, name: str) -> frozenset[str]:
        found = look(connection, name)
        looks.append(name)
        if len(looks) == 2:
            slipped_in.start()
            slipped_in.join(0.7)
        return found

    monkeypatch.setattr(history, "makers_of", slow)
    with pytest.raises(VersionMismatch):
        busy.approve(busy.minh, record, 2)
    slipped_in.join(300)
    assert len(looks) == 2
    assert (busy.read(record).version, busy.read(record).approved) == (2, None)
