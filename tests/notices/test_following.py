"""From the log to the outbox: what happens is noted once for each who is to know."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from secvault.audit.query import Question, page
from secvault.crypto.secret import Secret
from secvault.errors import ApprovalRequired
from secvault.notices import following, outbox
from secvault.notices.following import Reach
from secvault.service import (
    authentication,
    grants,
    own_factors,
    people,
    provided_roles,
    systems,
)
from secvault.service.audit_reports import WantedReport, make_report
from secvault.service.leaked_tokens import report_leak
from secvault.service.spine import Caller
from tests.notices.conftest import Office, office_of, told_by
from tests.notices.receivers import Hook, Mailbox
from tests.running_service import PASSWORD, House, system_token
from tests.service.policy_house import applied, more


def noted(office: Office) -> list[tuple[str, str]]:
    with office.service.store.read() as connection:
        found = outbox.listed(connection, limit=1000)
    return [(each.kind, each.recipient) for each in reversed(found)]


def operator(office: Office) -> Caller:
    return Caller(authentication.local_operator(office.service))


def person(office: Office, name: str) -> str:
    found = people.list_people(office.service, operator(office)).people
    return next(each.person.id for each in found if each.person.name == name)


def test_history_is_no_news_and_nobody_to_tell_means_nothing_noted(
    house: House, hook: Hook
) -> None:
    with office_of(house, told_by(None, None)) as nobody:
        nobody.sign_in("clerk", "203.0.113.1")
        assert nobody.tell() == 0
    with office_of(house, told_by(None, hook)) as office:
        assert office.tell() == 0
        system_token(office.service, "worker", "it", "role:it.key_custodian")
        assert office.tell() == 1
        assert noted(office) == [("privileged_grant", "channel:ops")]
        assert office.tell() == 0


def test_a_first_sign_in_from_another_network_is_told_to_the_person_once(office: Office) -> None:
    clerk = f"person:{person(office, 'clerk')}"
    office.sign_in("clerk", "203.0.113.1")
    office.sign_in("clerk", "203.0.113.200")
    assert office.tell() == 0, "the first network of all is no news"
    office.sign_in("clerk", "2001:db8:1:2::7")
    office.sign_in("clerk", "2001:db8:1:2:ffff::8")
    office.sign_in("clerk", "::ffff:203.0.113.9")
    office.tell()
    assert noted(office) == [("new_network", clerk)]


def test_what_concerns_an_account_is_told_to_its_person_and_the_weighty_to_administrators(
    office: Office, house: House
) -> None:
    admin, clerk = (f"person:{person(office, name)}" for name in ("admin", "clerk"))
    caller = office.sign_in("clerk", "")
    house.hands.seconds += 30
    own_factors.change_password(
        office.service,
        caller,
        password=Secret.of(PASSWORD),
        code=Secret.of(house.hands.code(house.seeds["clerk"])),
        new=Secret.of("quite another passphrase"),
    )
    office.contact("head", "head@example.com")
    for _ in range(10):
        house.hands.seconds += 1000
        with pytest.raises(Exception, match="not right"):
            authentication.sign_in(
                office.service, "auditor", Secret.of(PASSWORD), Secret.of("000000")
            )
    grants.add_grant(
        office.service, operator(office), subject="user:head", role="role:it.admin", department="it"
    )
    office.tell()
    head, auditor = (f"person:{person(office, name)}" for name in ("head", "auditor"))
    # The clock stands still, so that their order is nobody's.
    assert sorted(noted(office)) == sorted(
        [
            ("password_changed", clerk),
            ("contact_changed", head),
            ("locked", auditor),
            ("locked", "channel:ops"),
            ("locked", min(admin, head)),
            ("locked", max(admin, head)),
            ("privileged_grant", head),
            ("privileged_grant", "channel:ops"),
            ("privileged_grant", admin),
        ]
    )


def test_a_request_is_told_to_those_who_may_approve_it_and_not_to_who_asks(office: Office) -> None:
    service, who = office.service, operator(office)
    grants.add_grant(service, who, subject="user:head", role="role:it.approver", department="it")
    asking = replace(office.sign_in("admin", ""), reason="for the archive")
    office.tell()
    before = noted(office)
    with pytest.raises(ApprovalRequired):
        grants.add_grant(
            service, asking, subject="user:clerk", role="role:it.admin", department="it"
        )
    office.tell()
    told = set(noted(office)) - set(before)
    able = ("channel:ops", f"person:{person(office, 'head')}")
    assert told == {("approval_asked", each) for each in able}


def test_what_happens_to_tokens_is_told_to_the_owner_and_the_administrators(
    office: Office, house: House
) -> None:
    service, who = office.service, operator(office)
    systems.create_account(
        service, who, name="worker", department="it", owner="clerk", roles=("role:it.cryptor",)
    )
    issued = systems.issue_token(
        service, who, account="worker", display_name="x", days=10, networks=("10.0.0.0/8",)
    )
    text = issued.text.text()
    for address in ("11.0.0.1", "12.0.0.1"):
        with pytest.raises(Exception, match="not valid"):
            authentication.authenticate(service, text, address=address)
    report_leak(service, [text])
    people.disable_person(service, who, "clerk")
    office.tell()
    admin, clerk = (f"person:{person(office, name)}" for name in ("admin", "clerk"))
    assert sorted(noted(office)) == sorted(
        [
            ("token_issued", clerk),
            ("token_elsewhere", clerk),
            ("token_elsewhere", "channel:ops"),
            ("token_elsewhere", admin),
            ("token_leaked", clerk),
            ("token_leaked", "channel:ops"),
            ("token_leaked", admin),
            ("owner_disabled", "channel:ops"),
            ("owner_disabled", admin),
        ]
    )
    assert text not in str(noted(office))


def test_two_nodes_that_look_at_once_note_everything_once(
    house: House, mailbox: Mailbox, hook: Hook
) -> None:
    with (
        office_of(house, told_by(mailbox, hook)) as one,
        office_of(house, told_by(mailbox, hook)) as other,
    ):
        one.tell()
        for number in range(20):
            system_token(one.service, f"worker-{number}", "it", "role:it.auditor")
        one.service.audit.drain()
        reach = Reach(("ops",), people=True)
        looks = [
            threading.Thread(
                target=following.follow, args=(each.service.store, each.service.clock, reach)
            )
            for each in (one, other)
        ]
        for look in looks:
            look.start()
        for look in looks:
            look.join(120)
        found = noted(one)
        # Owner (an administrator) and channel for each grant; the owner for each token.
        assert len(found) == 20 * 3
        assert len([each for each in found if each[0] == "privileged_grant"]) == 40


def test_a_kill_between_the_look_and_its_end_loses_and_doubles_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    system_token(office.service, "worker", "it", "role:it.auditor")
    office.service.audit.drain()

    def killed(*_: object, **__: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            office.tell()
    assert noted(office) == []
    office.tell()
    assert len(noted(office)) == 3
    assert office.tell() == 0


def test_when_too_many_wait_the_rest_is_given_up_in_the_open(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MOST_WAITING", 2)
    for name in ("a-system", "b-system"):
        system_token(office.service, name, "it", "role:it.auditor")
    office.tell()
    with office.service.store.read() as connection:
        assert outbox.counts(connection) == {
            "waiting": 2,
            "delivered": 0,
            "given_up": 4,
            "unreachable": 0,
        }
        assert {each.reason for each in outbox.listed(connection, state="given_up")} == {"too_many"}


def test_no_notice_row_holds_what_is_secret(office: Office, house: House) -> None:
    office.contact("clerk", "clerk.private@example.com")
    system_token(office.service, "worker", "it", "role:it.auditor")
    office.tell()
    with office.service.store.read() as connection:
        rows = str(connection.exec_driver_sql("SELECT * FROM notice").all())
        contact = str(connection.exec_driver_sql("SELECT * FROM person_contact").all())
    assert "@" not in rows
    assert "clerk.private" not in contact
    assert not any(seed in rows for seed in house.seeds.values())
    assert all("@" not in str(e.body) for e in page(office.service.store, Question()).events)


def test_duties_that_meet_are_told_to_administrators_and_a_role_left_out_once_a_day(
    office: Office,
) -> None:
    service, who = office.service, operator(office)
    office.tell()
    before = len(noted(office))
    ops, admin = "channel:ops", f"person:{person(office, 'admin')}"

    def provided() -> None:
        with service.store.write() as connection:
            wanted = {("role:accounting.treasurer", "accounting")}
            provided_roles.give(
                service,
                connection,
                person=person_id,
                kind="oidc",
                provider="corp",
                wanted=wanted,
            )

    person_id = person(office, "clerk")
    for _ in range(2):
        provided()
    office.tell()
    assert sorted(noted(office)[before:]) == [("role_left_out", ops), ("role_left_out", admin)]
    systems.create_account(
        service,
        who,
        name="safe",
        department="it",
        owner="admin",
        roles=("role:it.key_custodian", "role:it.approver"),
    )
    office.tell()
    told = noted(office)
    assert ("duties_together", ops) in told
    assert ("duties_together", admin) in told


def test_a_change_of_the_policy_is_told_to_administrators_and_auditors_and_its_first_is_not(
    office: Office,
) -> None:
    applied(office.service, operator(office), more())
    office.tell()
    admin, auditor = (f"person:{person(office, name)}" for name in ("admin", "auditor"))
    assert sorted(noted(office)) == sorted(
        ("policy_changed", who) for who in (admin, auditor, "channel:ops")
    )


def test_auditors_and_administrators_are_told_once_of_the_report_by_the_calendar(
    office: Office,
) -> None:
    month = WantedReport(month="2026-08", languages=("en", "vi"), names=False)
    make_report(office.service, operator(office), month)
    make_report(office.service, Caller(authentication.jobs()), month)
    office.tell()
    admin, auditor = (f"person:{person(office, name)}" for name in ("admin", "auditor"))
    assert sorted(noted(office)) == sorted(
        ("report_made", who) for who in (admin, auditor, "channel:ops")
    )
