"""Emergency access: at once, alarmed, narrow, over in an hour, and reviewed by somebody else."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from secvault.access import list_grants
from secvault.access.grants import add_grant
from secvault.access.vocabulary import EMERGENCY_ROLE
from secvault.errors import (
    ApprovalRequired,
    Conflict,
    InvalidInput,
    NotFound,
    Refused,
    StepUpRequired,
)
from secvault.service import (
    grants,
    people,
    records,
    resets,
    sessions,
    systems,
)
from secvault.service.break_glass import incidents, operations, watching
from secvault.service.spine import Caller
from tests.running_service import PAYSLIP
from tests.service.break_glass.conftest import PREPARED, Station

HOUR = 3600


def test_who_is_prepared_gets_it_at_once_for_an_hour_and_it_ends_by_itself(
    station: Station,
) -> None:
    mai = station.come("mai")
    with pytest.raises(Refused):
        people.list_people(station.service, mai)
    view = station.break_glass(mai)
    assert view.running
    assert people.list_people(station.service, mai).people
    (started,) = station.details("break_glass.start")
    assert (started["incident"], started["subject"]) == (view.incident.id, mai.principal.subject)
    (grant,) = [
        one
        for one in grants.list_grants(station.service, station.operator)
        if one.role == EMERGENCY_ROLE
    ]
    assert (grant.id, grant.source) == (view.incident.id, f"break-glass:{view.incident.id}")
    station.house.hands.seconds += HOUR
    with pytest.raises(Refused):
        people.list_people(station.service, mai)


def test_nobody_else_takes_it_and_not_without_a_fresh_factor(station: Station) -> None:
    for name in ("admin", "head", "auditor"):
        with pytest.raises(Refused):
            station.break_glass(station.come(name))
    with pytest.raises(InvalidInput):
        station.break_glass(station.operator)
    mai = station.come("mai")
    station.house.hands.seconds += 301
    with pytest.raises(StepUpRequired):
        station.break_glass(mai)
    with pytest.raises(InvalidInput, match="reason"):
        station.break_glass(station.come("mai"), "  ")


def test_being_prepared_takes_two_people(station: Station) -> None:
    with pytest.raises(ApprovalRequired):
        grants.add_grant(
            station.service,
            station.come("admin"),
            subject="user:clerk",
            role=PREPARED[0],
            department="it",
        )


def test_the_emergency_role_is_given_by_nothing_else(station: Station) -> None:
    with pytest.raises(InvalidInput, match="breaking the glass"):
        grants.add_grant(
            station.service,
            station.operator,
            subject="user:clerk",
            role=EMERGENCY_ROLE,
            department="it",
        )
    with (
        pytest.raises(InvalidInput, match="breaking the glass"),
        station.service.store.write() as connection,
    ):
        add_grant(
            connection,
            station.service.policy.rules,
            subject=station.subject("clerk"),
            role=EMERGENCY_ROLE,
            department="it",
            granted_by="system:providers",
            at=station.service.clock.micros(),
            source="oidc:corp",
        )
    with pytest.raises((InvalidInput, ApprovalRequired)):
        systems.create_account(
            station.service,
            station.operator,
            name="robot",
            department="it",
            owner="admin",
            roles=(EMERGENCY_ROLE,),
        )


def test_it_stops_one_of_two_administrators_without_the_other(station: Station) -> None:
    # Decision 0017: with two, one cannot stop the other alone.
    with pytest.raises(ApprovalRequired):
        people.disable_person(station.service, station.come("admin"), "binh")
    station.break_glass()
    people.disable_person(station.service, station.come("mai"), "binh")
    (disabled,) = station.details("person.disable")
    assert disabled["approval"] == "break-glass"
    # The last one who can approve stays.
    with pytest.raises(ApprovalRequired):
        people.disable_person(station.service, station.come("mai"), "admin")


Deed = Callable[[Station, Caller], object]
NEVER: dict[str, Deed] = {
    "gives a role": lambda at, who: grants.add_grant(
        at.service, who, subject="user:mai", role="role:hr.clerk", department="hr"
    ),
    "gives a privileged role": lambda at, who: grants.add_grant(
        at.service, who, subject="user:clerk", role="role:it.admin", department="it"
    ),
    "takes a role away": lambda at, who: grants.revoke_grant(
        at.service, who, at.grant_of("clerk").id
    ),
    "resets factors": lambda at, who: resets.reset_factors(at.service, who, "head"),
    "resets a password": lambda at, who: resets.reset_password(at.service, who, "head"),
    "lets somebody back in": lambda at, who: people.enable_person(at.service, who, "clerk"),
    "makes a system": lambda at, who: systems.create_account(
        at.service, who, name="robot", department="it", owner="mai", roles=()
    ),
    "issues a token": lambda at, who: systems.issue_token(
        at.service, who, account="system", display_name="x", days=1
    ),
    "reads a record": lambda at, who: records.read_field(
        at.service, who, "payroll", PAYSLIP, "bank_account"
    ),
    "lists records": lambda at, who: records.list_records(at.service, who, "payroll", "", 10),
    "reviews itself": lambda at, who: operations.review(
        at.service, who, at.details("break_glass.start")[0]["incident"], "fine"
    ),
}


@pytest.mark.parametrize("what", NEVER)
def test_it_never(station: Station, what: str) -> None:
    station.break_glass()
    mai = station.come("mai")
    with pytest.raises(Refused):
        NEVER[what](station, mai)


def test_it_looks_ends_sessions_and_reads_the_log(station: Station) -> None:
    station.break_glass()
    mai = station.come("mai")
    assert sessions.end_sessions_of(station.service, mai, "clerk") == 1
    people.unlock_person(station.service, mai, "clerk")
    done = operations.end(station.service, mai, station.details("break_glass.start")[0]["incident"])
    assert not done.running
    with pytest.raises(Refused):
        people.unlock_person(station.service, mai, "clerk")


def test_everything_that_was_done_is_in_the_review_and_says_so_in_the_log(
    station: Station,
) -> None:
    station.break_glass()
    mai = station.come("mai")
    people.unlock_person(station.service, mai, "clerk")
    people.disable_person(station.service, mai, "clerk")
    with pytest.raises(Refused):
        records.list_records(station.service, mai, "payroll", "", 10)
    incident = str(station.details("break_glass.start")[0]["incident"])
    for kind in ("person.unlock", "person.disable"):
        assert [one["incident"] for one in station.details(kind)] == [incident]
    operations.end(station.service, mai, incident)
    view = operations.read_incident(station.service, station.come("admin"), incident)
    done = {(one.action, one.outcome): one.under for one in view.commands}
    assert done["person.unlock", "ok"]
    assert done["person.disable", "ok"]
    assert done["record.list", "denied"] is False
    assert done["break_glass.start", "ok"] is False


def test_what_another_role_allows_is_listed_but_not_put_on_the_emergency(
    station: Station,
) -> None:
    station.give("mai", "role:hr.clerk", "hr")
    station.break_glass()
    mai = station.come("mai")
    records.list_records(station.service, mai, "payroll", "", 10)
    (listed,) = station.details("record.list")
    assert "incident" not in listed


def _incident(station: Station) -> str:
    view = station.break_glass()
    operations.end(station.service, station.come("mai"), view.incident.id)
    return view.incident.id


def test_somebody_else_reviews_it_with_findings_once(station: Station) -> None:
    incident = _incident(station)
    for who in ("mai", "clerk", "auditor"):
        with pytest.raises(Refused):
            operations.review(station.service, station.come(who), incident, "all well")
    with pytest.raises(InvalidInput, match="findings"):
        operations.review(station.service, station.come("binh"), incident, " ")
    done = operations.review(station.service, station.come("binh"), incident, "as agreed")
    assert (done.incident.state, done.incident.findings) == (incidents.REVIEWED, "as agreed")
    with pytest.raises(Conflict, match="reviewed already"):
        operations.review(station.service, station.come("admin"), incident, "again")
    with pytest.raises(NotFound):
        operations.review(station.service, station.come("admin"), "g" + "0" * 20, "x")


def test_an_administrator_who_is_prepared_does_not_review_their_own(station: Station) -> None:
    station.give("binh", *PREPARED)
    view = station.break_glass(station.come("binh"))
    with pytest.raises(Conflict, match="runs still"):
        operations.review(station.service, station.come("admin"), view.incident.id, "x")
    # Whoever ends another's for them is not the one to look at it either.
    operations.end(station.service, station.come("binh"), view.incident.id)
    with pytest.raises(Refused):
        operations.review(station.service, station.come("binh"), view.incident.id, "x")
    operations.review(station.service, station.come("admin"), view.incident.id, "x")


def test_a_review_reinstates_whom_the_incident_disabled_and_nobody_else(
    station: Station,
) -> None:
    station.break_glass()
    mai = station.come("mai")
    people.disable_person(station.service, mai, "binh")
    people.disable_person(station.service, mai, "clerk")
    incident = str(station.details("break_glass.start")[0]["incident"])
    operations.end(station.service, mai, incident)
    # The clerk was let in again, and then disabled for good by an administrator.
    people.enable_person(station.service, station.come("admin"), "clerk")
    people.disable_person(station.service, station.come("admin"), "clerk")
    # Alone, the last administrator could not let the other one back in.
    with pytest.raises(ApprovalRequired):
        people.enable_person(station.service, station.come("admin"), "binh")
    operations.review(
        station.service, station.come("admin"), incident, "a false alarm", reinstate=True
    )
    state = {
        entry.person.name: entry.person.state
        for entry in people.list_people(station.service, station.operator).people
    }
    assert (state["binh"], state["clerk"]) == ("active", "disabled")


def test_without_a_review_in_time_the_right_to_it_lapses_once(station: Station) -> None:
    incident = _incident(station)
    station.house.hands.seconds += 72 * HOUR
    turns: list[int] = []
    together = threading.Barrier(3, timeout=300)

    def work() -> None:
        together.wait()
        turns.append(watching.look_after(station.service))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert sum(turns) == 1
    (lapsed,) = station.details("break_glass.lapse")
    assert (lapsed["incident"], lapsed["subject"]) == (incident, station.subject("mai"))
    with pytest.raises(Refused):
        station.break_glass()
    # It is told again each day, and can still be reviewed; the right does not come back by that.
    station.pass_days(1)
    assert [watching.look_after(station.service) for _ in range(2)] == [1, 0]
    operations.review(station.service, station.come("admin"), incident, "late")
    station.pass_days(1)
    assert watching.look_after(station.service) == 0
    with station.service.store.read() as connection:
        held = list_grants(
            connection,
            subject=station.subject("mai"),
            valid_at=station.service.clock.micros(),
        )
    assert held == ()


def test_whoever_leaves_two_unreviewed_takes_no_third(station: Station) -> None:
    station.break_glass()
    with pytest.raises(Conflict, match="runs already"):
        station.break_glass()
    first = str(station.details("break_glass.start")[0]["incident"])
    operations.end(station.service, station.come("mai"), first)
    with pytest.raises(Conflict, match="ended already"):
        operations.end(station.service, station.come("mai"), first)
    _incident(station)
    with pytest.raises(Conflict, match="wait for a review"):
        station.break_glass()
    operations.review(station.service, station.come("admin"), first, "fine")
    station.break_glass()


def test_an_administrator_ends_it_for_somebody(station: Station) -> None:
    view = station.break_glass()
    with pytest.raises(Refused):
        operations.end(station.service, station.come("clerk"), view.incident.id)
    operations.end(station.service, station.come("admin"), view.incident.id)
    with pytest.raises(Refused):
        people.list_people(station.service, station.come("mai"))
    # Who ended it does not review it.
    with pytest.raises(Refused):
        operations.review(station.service, station.come("admin"), view.incident.id, "x")


def test_a_drill_is_asked_for_when_there_was_none_for_long(station: Station) -> None:
    assert watching.look_after(station.service) == 0
    station.pass_days(30)
    assert [watching.look_after(station.service) for _ in range(2)] == [1, 0]
    (asked,) = station.details("break_glass.warn")
    assert asked == {"days": 30}
    operations.start(station.service, station.come("mai"), "a drill", drill=True)
    assert station.details("break_glass.start")[0]["state"] == "drill"
    station.pass_days(2)
    assert watching.look_after(station.service) == 0


def test_everybody_sees_their_own_and_only_those_who_may_see_all(station: Station) -> None:
    station.break_glass()
    (own,) = operations.own_incidents(station.service, station.come("mai"))
    assert own.incident.reason == "it burns"
    assert operations.own_incidents(station.service, station.come("clerk")) == ()
    for name in ("admin", "auditor"):
        assert len(operations.list_incidents(station.service, station.come(name))) == 1
    for name in ("mai", "clerk"):
        with pytest.raises(Refused):
            operations.list_incidents(station.service, station.come(name))
