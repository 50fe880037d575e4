"""From where and by whom: kept with what people do, shown to auditors, gone with the person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from secvault.audit.event import Personal
from secvault.audit.query import Question
from secvault.audit.verify_export import verify as verify_export
from secvault.crypto.checkpoint import verify_checkpoint
from secvault.crypto.secret import Secret
from secvault.errors import ApprovalRequired, InvalidInput, NotAuthenticated, NotFound, OnHold
from secvault.identity.people import find_person
from secvault.records.hold import HoldKind
from secvault.service import Service, audit_log, audit_proofs, authentication
from secvault.service.audit_personal import Seen, masked, personal_for
from secvault.service.erasing import erasures, holds
from secvault.service.erasing.target import Kind, target_of
from secvault.service.spine import Caller
from secvault.store import tables
from tests.running_service import PASSWORD, House, join, signed_in

SEEN = "session.self"
AGENT = "Mozilla/5.0 (laptop of the accountant)"


def clerk(service: Service, house: House) -> Caller:
    return replace(signed_in(service, house, "clerk"), address="203.0.113.77", agent=AGENT)


def newest(service: Service, who: Caller, kind: str) -> tuple[str, Seen | None]:
    page = audit_log.read_events(service, who, Question(kind=kind), None, 1)
    (stored,) = page.events
    return stored.id, page.personal.get(stored.id)


def test_where_somebody_was_is_shown_to_the_auditor_and_its_network_to_the_operator(
    service: Service, house: House
) -> None:
    authentication.whoami(service, clerk(service, house))
    auditor = signed_in(service, house, "auditor")
    _, seen = newest(service, auditor, SEEN)
    assert seen == Seen("shown", "203.0.113.77", AGENT, "clerk", "")
    _, seen = newest(service, Caller(authentication.local_operator(service)), SEEN)
    assert seen == Seen("masked", "203.0.113.0/24")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2::7", "2001:db8:1::/48"),
        ("testclient", ""),
        ("", ""),
    ],
)
def test_a_masked_address_says_its_network(address: str, network: str) -> None:
    assert masked(address) == network


def test_what_somebody_wrote_to_have_it_approved_is_beside_the_event(
    service: Service, house: House
) -> None:
    who = replace(clerk(service, house), reason="khách hàng hỏi phiếu lương")
    authentication.whoami(service, who)
    _, seen = newest(service, signed_in(service, house, "auditor"), SEEN)
    assert seen is not None
    assert seen.reason == "khách hàng hỏi phiếu lương"


def test_signing_in_says_from_where_and_a_refusal_does_not_repeat_what_was_typed(
    service: Service, house: House
) -> None:
    code = Secret.of(house.hands.code(house.seeds["clerk"], steps=1))
    house.hands.seconds += 30
    authentication.sign_in(
        service, "clerk", Secret.of(PASSWORD), code, address="203.0.113.5", agent=AGENT
    )
    auditor = signed_in(service, house, "auditor")
    page = audit_log.read_events(
        service, auditor, Question(actor=subject(service, "clerk")), None, 1
    )
    assert [*page.personal.values()] == [Seen("shown", "203.0.113.5", AGENT, "clerk", "")]
    with pytest.raises(NotAuthenticated):
        authentication.sign_in(
            service, "my password", Secret.of("x"), Secret.of("000000"), address="203.0.113.6"
        )
    page = audit_log.read_events(service, auditor, Question(outcome="denied"), None, 1)
    assert [*page.personal.values()] == [Seen("shown", "203.0.113.6", "", "", "")]


def test_a_systems_network_stands_in_the_leaf_and_nothing_of_it_is_personal(
    service: Service, house: House
) -> None:
    system = authentication.authenticate(service, house.tokens["system"])
    caller = Caller(system, address="192.0.2.44", agent="payroll/1.0")
    with pytest.raises(NotFound):
        audit_log.read_event(service, signed_in(service, house, "auditor"), 10**9)
    authentication.whoami(service, caller)
    auditor = signed_in(service, house, "auditor")
    page = audit_log.read_events(service, auditor, Question(actor=system.subject), None, 1)
    assert [stored.event.network for stored in page.events] == ["192.0.2.44"]
    assert page.personal == {}


def test_the_operator_at_the_machine_is_named_by_the_account(service: Service) -> None:
    here = Personal("198.51.100.4", "secvault command line of root", "minh")
    operator = Caller(authentication.local_operator(service), here=here)
    audit_log.public_keys(service, operator)
    service.audit.drain()
    page = audit_log.read_events(service, operator, Question(kind="audit.verify"), None, 1)
    assert service.audit.keys is not None
    (kept,) = personal_for(service, operator, page.events).values()
    assert kept == Seen("masked", "198.51.100.0/24")
    # Nobody has shown it, so that no rule goes by it.
    assert operator.address == ""


def test_one_event_is_read_by_its_number(service: Service, house: House) -> None:
    authentication.whoami(service, clerk(service, house))
    auditor = signed_in(service, house, "auditor")
    page = audit_log.read_events(service, auditor, Question(kind=SEEN), None, 1)
    found = audit_log.read_event(service, auditor, page.events[0].seq)
    assert found.events == page.events
    assert found.personal == page.personal


def subject(service: Service, name: str) -> str:
    with service.store.read() as connection:
        return find_person(connection, name).subject


def privacy(service: Service, house: House) -> Caller:
    return join(service, house, "privacy", ("role:it.privacy", "*"))


def test_who_is_only_in_the_log_is_erased_there_and_every_proof_still_holds(
    service: Service, house: House
) -> None:
    authentication.whoami(service, clerk(service, house))
    auditor = signed_in(service, house, "auditor")
    event, seen = newest(service, auditor, SEEN)
    assert seen is not None
    target = target_of(service, Kind.LOG, "", subject(service, "clerk"))
    officer = privacy(service, house)
    found = erasures.look(service, officer, target)
    assert (found.by_collection, found.entries > 1) == ({}, True)
    done = erasures.erase(service, officer, target, "asked for it")
    assert (done.records, done.keys, done.entries) == (0, 1, found.entries)
    again, seen = newest(service, auditor, SEEN)
    assert (again, seen) == (event, Seen("erased"))
    report = audit_log.verify_log(service, auditor)
    assert report.ok, report.problems
    (stored,) = audit_log.read_events(
        service, auditor, Question(kind="record.erase"), None, 1
    ).events
    assert stored.event.detail["subject"] == subject(service, "clerk")
    assert stored.event.detail["entries"] == found.entries
    document, *_ = erasures.read_evidence(service, auditor, done.id)
    assert document["log_entries"] == found.entries
    # A second time there is nothing.
    with pytest.raises(NotFound):
        erasures.erase(service, officer, target, "asked for it")


def test_proofs_and_exports_from_before_an_erasure_hold_after_it_and_new_ones_do(
    service: Service, house: House, tmp_path: Path
) -> None:
    for _ in range(5):
        authentication.whoami(service, clerk(service, house))
    auditor, officer = signed_in(service, house, "auditor"), privacy(service, house)
    key, name = service.signing.audit.verifier(), service.signing.audit.name
    earlier = audit_log.take_checkpoint(service, auditor)
    size = verify_checkpoint(earlier, [key], name).size
    before = [audit_proofs.prove_event(service, auditor, seq) for seq in range(size)]
    erasures.erase(
        service, officer, target_of(service, Kind.LOG, "", subject(service, "clerk")), "x"
    )
    audit_log.take_checkpoint(service, auditor)
    after = [audit_proofs.prove_event(service, auditor, seq) for seq in range(size)]
    for proof in (*before, *after):
        proof.check([key], name)
    assert [one.entry for one in before] == [one.entry for one in after]
    audit_proofs.export_tiles(service, auditor, tmp_path / "tiles", lambda _: None)
    found = verify_export(tmp_path / "tiles", key.vkey, [earlier])
    assert (found["intact"], found["complete"], found["problems"]) == (True, True, [])


def employ(service: Service, name: str, number: str) -> None:
    with service.store.write() as connection:
        connection.execute(
            update(tables.person).where(tables.person.c.name == name).values(employee=number)
        )


def test_erasing_an_employee_takes_what_the_log_keeps_of_their_account(
    service: Service, house: House
) -> None:
    employ(service, "clerk", "nv-0077")
    authentication.whoami(service, clerk(service, house))
    officer = privacy(service, house)
    done = erasures.erase(service, officer, target_of(service, Kind.PERSON, "", "nv-0077"), "left")
    assert (done.records, done.entries > 0) == (0, True)
    _, seen = newest(service, signed_in(service, house, "auditor"), SEEN)
    assert seen == Seen("erased")


def test_a_hold_on_the_employee_keeps_the_log_of_their_account(
    service: Service, house: House
) -> None:
    employ(service, "clerk", "nv-0077")
    authentication.whoami(service, clerk(service, house))
    officer = privacy(service, house)
    holds.place(
        service, officer, kind=HoldKind.PERSON, collection="", target="nv-0077", reason="a court"
    )
    with pytest.raises(OnHold):
        erasures.erase(
            service, officer, target_of(service, Kind.LOG, "", subject(service, "clerk")), "left"
        )
    _, seen = newest(service, signed_in(service, house, "auditor"), SEEN)
    assert seen is not None
    assert seen.state == "shown"


def test_who_is_erased_does_not_approve_it(service: Service, house: House) -> None:
    join(service, house, "one", ("role:it.admin", "it"), ("role:it.approver", "*"))
    join(service, house, "two", ("role:it.admin", "it"), ("role:it.approver", "*"))
    officer = privacy(service, house)
    signed_in(service, house, "one")
    with pytest.raises(ApprovalRequired):
        erasures.erase(
            service, officer, target_of(service, Kind.LOG, "", subject(service, "one")), "left"
        )


@pytest.mark.parametrize("name", ["", "clerk", "svc:pay", "system:jobs", "user:", "user:a b"])
def test_only_who_acts_as_a_person_is_erased_from_the_log(service: Service, name: str) -> None:
    with pytest.raises(InvalidInput):
        target_of(service, Kind.LOG, "", name)


def test_altered_personal_text_is_named_by_verification(service: Service, house: House) -> None:
    authentication.whoami(service, clerk(service, house))
    auditor = signed_in(service, house, "auditor")
    page = audit_log.read_events(service, auditor, Question(kind=SEEN), None, 1)
    (stored,) = page.events
    part = tables.audit_personal
    with service.store.write() as connection:
        connection.execute(update(part).where(part.c.event == stored.id).values(envelope=bytes(90)))
    _, seen = newest(service, auditor, SEEN)
    assert seen == Seen("altered")
    report = audit_log.verify_log(service, auditor)
    assert (report.intact, report.first_bad_seq) == (False, stored.seq)
    assert "personal text" in report.problems[0].what
