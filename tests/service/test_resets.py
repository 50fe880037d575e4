"""Two help somebody back in, and neither of them ever holds what lets anybody in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from sqlalchemy import select

from secvault.access import add_grant
from secvault.crypto.secret import Secret
from secvault.errors import ApprovalRequired, Conflict, NotAuthenticated
from secvault.identity import people
from secvault.identity.people import NewPerson
from secvault.service import (
    Service,
    activation,
    authentication,
    factors,
    grants,
    hardware_tokens,
    invitations,
    passkey_sign_in,
    resets,
)
from secvault.service.resets import FACTOR_RESET, PASSWORD_RESET, Reset
from secvault.service.spine import Caller
from secvault.store import tables
from tests.running_service import PASSWORD, STEP, House
from tests.service.approval_house import Staff, staffed

NEW = "another long enough passphrase"


@dataclass
class Two:
    """An administrator who resets, one who approves, and the clerk who lost something."""

    staff: Staff
    an: Caller
    binh: Caller

    def reset(self, action: str, who: Caller | None = None) -> tuple[Secret, Reset]:
        """A reset of the clerk by both: the approver's part, and what the other one got."""
        who = who or self.an
        do = resets.reset_factors if action == FACTOR_RESET else resets.reset_password
        service = self.staff.service
        with pytest.raises(ApprovalRequired) as required:
            do(service, replace(who, reason="came to the desk with an id card"), "clerk")
        part = self.staff.approve(self.binh, required.value.request).part
        assert part is not None
        return part, do(service, who, "clerk")

    def recover(self, *parts: Secret, password: str = PASSWORD) -> Caller:
        """The clerk with password and these parts."""
        code = Secret.of(" ".join(part.text() for part in parts))
        service = self.staff.service
        came = passkey_sign_in.recover(service, "clerk", Secret.of(password), code)
        return Caller(came.signed_in.principal)

    def redeem(self, second: str, *parts: Secret, new: str = NEW) -> None:
        """The clerk sets a new password."""
        resets.redeem_password(
            self.staff.service,
            name="clerk",
            code=Secret.of("".join(part.text() for part in parts)),
            second=Secret.of(second),
            new=Secret.of(new),
        )

    def clerks_code(self) -> str:
        """A fresh code of the clerk's device."""
        house = self.staff.house
        house.hands.seconds += STEP
        return house.hands.code(house.seeds["clerk"])

    def wait(self) -> None:
        """Let the delays after failures pass."""
        self.staff.house.hands.seconds += 900


@pytest.fixture
def two(service: Service, house: House) -> Two:
    """Two administrators, and a clerk with one device."""
    staff = staffed(service, house)
    binh = staff.hire("binh")
    return Two(staff, staff.again("admin"), binh)


def test_the_lost_factors_end_with_the_reset_and_both_parts_let_their_owner_enrol(
    two: Two,
) -> None:
    service = two.staff.service
    part, done = two.reset(FACTOR_RESET)
    assert done.parts == 2
    with pytest.raises(NotAuthenticated):
        authentication.authenticate(service, two.staff.house.tokens["clerk"])
    with pytest.raises(NotAuthenticated):
        authentication.sign_in(service, "clerk", Secret.of(PASSWORD), Secret.of(two.clerks_code()))
    two.wait()
    clerk = two.recover(part, done.part)
    assert clerk.principal.recovering
    begun = factors.begin_device(service, clerk, "new phone")
    codes = [Secret.of(two.staff.house.hands.code(begun.seed.text(), at)) for at in (-1, 0)]
    factors.confirm_device(service, clerk, begun.device.id, codes[0], codes[1])
    two.staff.house.seeds["clerk"] = begun.seed.text()
    assert two.staff.again("clerk").principal.second_factor_at


def test_one_part_is_worth_nothing_and_both_work_once(two: Two) -> None:
    part, done = two.reset(FACTOR_RESET)
    for some in ((part,), (done.part,), (part, part), (done.part, done.part)):
        with pytest.raises(NotAuthenticated):
            two.recover(*some)
        two.wait()
    with pytest.raises(NotAuthenticated):
        two.recover(part, done.part, password=NEW)
    two.wait()
    two.recover(done.part, part)
    with pytest.raises(NotAuthenticated):
        two.recover(done.part, part)


def test_a_code_ends_by_itself_and_with_the_next_reset(two: Two) -> None:
    old_part, old = two.reset(FACTOR_RESET)
    part, done = two.reset(FACTOR_RESET)
    with pytest.raises(NotAuthenticated):
        two.recover(old_part, old.part)
    two.staff.house.hands.seconds += 24 * 3600
    with pytest.raises(NotAuthenticated):
        two.recover(part, done.part)


def test_a_forgotten_password_is_set_anew_by_both_parts_and_a_code_of_ones_own(two: Two) -> None:
    part, done = two.reset(PASSWORD_RESET)
    house = two.staff.house
    with pytest.raises(NotAuthenticated):
        authentication.sign_in(
            two.staff.service, "clerk", Secret.of(PASSWORD), Secret.of(two.clerks_code())
        )
    for second, some in (("000000", (part, done.part)), (two.clerks_code(), (part,))):
        two.wait()
        with pytest.raises(NotAuthenticated):
            two.redeem(second, *some)
    two.wait()
    two.redeem(two.clerks_code(), part, done.part)
    house.hands.seconds += STEP
    code = Secret.of(house.hands.code(house.seeds["clerk"]))
    assert authentication.sign_in(two.staff.service, "clerk", Secret.of(NEW), code)
    two.wait()
    with pytest.raises(NotAuthenticated):
        two.redeem(two.clerks_code(), part, done.part)


def test_a_reset_password_ends_every_session(two: Two) -> None:
    service, sessions = two.staff.service, [two.staff.house.tokens["clerk"]]
    two.staff.again("clerk")
    sessions.append(two.staff.house.tokens["clerk"])
    two.reset(PASSWORD_RESET)
    for token in sessions:
        with pytest.raises(NotAuthenticated):
            authentication.authenticate(service, token)


def test_who_lost_both_needs_both_resets(two: Two) -> None:
    factor = two.reset(FACTOR_RESET)
    password = two.reset(PASSWORD_RESET)
    of_factor = (factor[0], factor[1].part)
    of_password = (password[0], password[1].part)
    for wrong in (of_factor[:1], of_password):
        with pytest.raises(NotAuthenticated):
            two.redeem(" ".join(each.text() for each in wrong), *of_password)
        two.wait()
    two.redeem(" ".join(each.text() for each in of_factor), *of_password)
    assert two.recover(*of_factor, password=NEW).principal.recovering


def test_a_new_password_that_is_easy_to_guess_uses_nothing_up(two: Two) -> None:
    part, done = two.reset(PASSWORD_RESET)
    code = part.text() + done.part.text()
    for weak in ("short", "clerk clerk clerk", code, code.replace("-", "").lower()):
        with pytest.raises(Exception, match="password"):
            two.redeem(two.clerks_code(), part, done.part, new=weak)
    two.redeem(two.clerks_code(), part, done.part)


def test_nobody_unknown_is_told_from_somebody_whose_code_is_wrong(two: Two) -> None:
    said = set()
    for name in ("clerk", "nobody", "head"):
        with pytest.raises(NotAuthenticated) as refused:
            resets.redeem_password(
                two.staff.service,
                name=name,
                code=Secret.of("0" * 50),
                second=Secret.of("123456"),
                new=Secret.of(NEW),
            )
        said.add(str(refused.value))
    assert len(said) == 1


def test_at_the_servers_command_line_the_code_has_three_parts(two: Two) -> None:
    service, operator = two.staff.service, two.staff.operator
    with pytest.raises(ApprovalRequired) as required:
        resets.reset_factors(service, replace(operator, reason="lost"), "clerk")
    parts = [
        two.staff.approve(who, required.value.request).part
        for who in (two.binh, two.staff.again("admin"))
    ]
    done = resets.reset_factors(service, operator, "clerk")
    assert done.parts == 3
    with pytest.raises(NotAuthenticated):
        two.recover(done.part, *(part for part in parts[:1] if part))
    two.wait()
    assert two.recover(done.part, *(part for part in parts if part)).principal.recovering


def test_what_is_kept_of_a_code_is_digests_and_the_log_has_none_of_it(two: Two) -> None:
    part, done = two.reset(FACTOR_RESET)
    with two.staff.service.store.read() as connection:
        rows = [
            repr(tuple(row))
            for table in tables.metadata.sorted_tables
            for row in connection.execute(select(table))
        ]
    for secret in (part.text(), done.part.text()):
        assert not any(secret in row or secret.replace("-", "") in row for row in rows)
    told = two.staff.last_detail("factor.reset")
    assert set(told) == {"person", "expires_at", "approval", "digest"}


def test_an_approver_who_lost_the_part_approves_again_and_gets_another(two: Two) -> None:
    service = two.staff.service
    with pytest.raises(ApprovalRequired) as required:
        resets.reset_factors(service, replace(two.an, reason="lost"), "clerk")
    old = two.staff.approve(two.binh, required.value.request).part
    new = two.staff.approve(two.binh, required.value.request).part
    done = resets.reset_factors(service, two.an, "clerk")
    assert old is not None
    assert new is not None
    with pytest.raises(NotAuthenticated):
        two.recover(old, done.part)
    two.wait()
    two.recover(new, done.part)


def test_nobody_alone_gives_a_factor_to_an_account_in_use(two: Two) -> None:
    service, an = two.staff.service, two.an
    with pytest.raises(Conflict, match="never active"):
        invitations.invite_again(service, an, "clerk")
    file = b"serial,secret\nt-1,hex:3132333435363738393031323334353637383930\n"
    hardware_tokens.import_tokens(service, an, content=file, file_format="csv")
    with pytest.raises(ApprovalRequired):
        hardware_tokens.assign_token(service, an, "t-1", "clerk")
    two.reset(FACTOR_RESET)
    with pytest.raises(Conflict, match="never active"):
        invitations.invite_again(service, an, "clerk")
    with pytest.raises(ApprovalRequired):
        hardware_tokens.assign_token(service, an, "t-1", "clerk")


def test_whoever_invites_cannot_come_in_with_a_role_that_two_gave(two: Two) -> None:
    service, an = two.staff.service, two.an
    new = NewPerson.of("chi", "Chi", "it")
    code = invitations.invite(service, an, new).code
    role = {"subject": "user:chi", "role": "role:it.approver", "department": "it"}
    with pytest.raises(Conflict, match="not activated"):
        grants.add_grant(service, replace(an, reason="our new auditor"), **role)
    assert code is not None
    activation.begin(service, code, password=Secret.of(NEW), device="phone")
    with service.store.write() as connection:
        # As it was given while there was nobody to approve it.
        found = people.by_name_or_id(connection, "chi")
        rules, at = service.policy.rules, service.clock.micros()
        given = {**role, "subject": found.subject, "granted_by": "local:operator", "at": at}
        add_grant(connection, rules, **given)
    with pytest.raises(Conflict, match="privileged role"):
        invitations.invite_again(service, an, "chi")


def test_while_there_is_no_second_administrator_one_resets_with_a_code_of_one_part(
    service: Service, house: House
) -> None:
    staff = staffed(service, house)
    done = resets.reset_factors(service, staff.an, "clerk")
    assert done.parts == 1
    alone = Two(staff, staff.an, staff.an)
    assert alone.recover(done.part).principal.recovering
    assert staff.last_detail("factor.reset")["approval"] == "no-second-person-yet"
