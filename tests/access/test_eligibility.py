"""Eligibilities as rows: exact at their bounds, one at a time, and nothing left when removed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.access import Rules, add_grant, list_grants
from secvault.access.eligibility import (
    Eligibility,
    activations_of,
    add_eligibility,
    list_eligibilities,
    note_use,
    read_eligibility,
    remove_eligibility,
)
from secvault.errors import Conflict, InvalidInput, NotFound, Refused
from secvault.store import Store
from secvault.store.epoch import POLICY, read_epoch

AT = 1_700_000_000_000_000
HOUR = 3_600_000_000
WANTED = Eligibility(
    id="",
    subject="user:1",
    role="role:it.admin",
    department="it",
    not_before=AT,
    expires_at=AT + 10 * HOUR,
    claim_by=None,
    most_seconds=3600,
    needs_approval=False,
    needs_ticket=False,
    granted_by="user:9",
    created_at=AT,
)


@given(
    begins=st.integers(0, 6),
    lasts=st.integers(1, 6),
    claim=st.none() | st.integers(1, 6),
    claimed=st.booleans(),
    revoked=st.booleans(),
    at=st.integers(0, 14),
)
def test_the_state_is_that_of_half_open_intervals(
    *, begins: int, lasts: int, claim: int | None, claimed: bool, revoked: bool, at: int
) -> None:
    found = replace(
        WANTED,
        not_before=begins,
        expires_at=begins + lasts,
        claim_by=claim,
        claimed_at=0 if claimed else None,
        revoked_at=0 if revoked else None,
    )
    usable = begins <= at < begins + lasts and not revoked
    lapsed = not claimed and claim is not None and at >= claim
    assert (found.state(at) == "usable") == (usable and not lapsed)
    over = revoked or at >= begins + lasts or lapsed
    assert (found.state(at) in ("removed", "ended", "lapsed")) == over


def test_one_microsecond_decides() -> None:
    found = replace(WANTED, not_before=AT + 1, claim_by=AT + HOUR)
    moments = (AT, AT + 1, AT + HOUR - 1, AT + HOUR)
    assert [found.state(at) for at in moments] == ["waiting", "usable", "usable", "lapsed"]
    used = replace(found, claimed_at=AT + HOUR - 1)
    ends = AT + 10 * HOUR
    assert [used.state(at) for at in (AT + HOUR, ends - 1, ends)] == ["usable", "usable", "ended"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"subject": "svc:1"}, InvalidInput),
        ({"subject": "user:9"}, Refused),
        ({"role": "role:it.nobody"}, InvalidInput),
        ({"role": "role:it.operator"}, InvalidInput),
        ({"department": "*"}, InvalidInput),
        ({"expires_at": AT}, InvalidInput),
        ({"not_before": AT + 20 * HOUR}, InvalidInput),
        ({"claim_by": AT}, InvalidInput),
        ({"claim_by": AT + 10 * HOUR + 1}, InvalidInput),
        ({"most_seconds": 0}, InvalidInput),
        ({"granted_by": "system:providers"}, InvalidInput),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    store: Store, shipped: Rules, change: dict[str, object], error: type[Exception]
) -> None:
    with store.write() as connection, pytest.raises(error):
        add_eligibility(connection, shipped, replace(WANTED, **change))  # type: ignore[arg-type]
    with store.read() as connection:
        assert list_eligibilities(connection) == ()


def test_there_is_one_at_a_time_and_one_that_is_over_makes_room(
    store: Store, shipped: Rules
) -> None:
    with store.write() as connection:
        first = add_eligibility(connection, shipped, replace(WANTED, claim_by=AT + HOUR))
        with pytest.raises(Conflict, match=first.id):
            add_eligibility(connection, shipped, replace(WANTED, created_at=AT + HOUR - 1))
        later = AT + HOUR
        again = replace(WANTED, created_at=later, not_before=later)
        second = add_eligibility(connection, shipped, again)
        assert second.id != first.id
        assert list_eligibilities(connection, standing_at=later) == (second,)
        with pytest.raises(NotFound):
            read_eligibility(connection, "e0")


def test_removing_one_ends_its_activation_in_the_same_transaction_and_no_other_grant(
    store: Store, shipped: Rules
) -> None:
    with store.write() as connection:
        made = add_eligibility(connection, shipped, WANTED)
        before = read_epoch(connection, POLICY)
        give = {"subject": "user:1", "granted_by": "user:9", "at": AT}
        activated = add_grant(
            connection,
            shipped,
            role="role:it.admin",
            department="it",
            expires_at=AT + HOUR,
            source=made.source,
            **give,  # type: ignore[arg-type]
        )
        used = note_use(connection, made, activated, reason="disk", ticket="", request=None)
        add_grant(connection, shipped, role="role:hr.clerk", department="hr", **give)  # type: ignore[arg-type]
        assert read_eligibility(connection, made.id).claimed_at == AT
        assert activations_of(connection, (made.id,)) == (used,)
        assert activated.passing
    with store.write() as connection:
        found, ended = remove_eligibility(connection, made.id, at=AT + 5)
        assert (found.id, [each.id for each in ended]) == (made.id, [activated.id])
        assert read_epoch(connection, POLICY) > before
        assert [each.role for each in list_grants(connection, valid_at=AT + 5)] == ["role:hr.clerk"]
        with pytest.raises(Conflict):
            remove_eligibility(connection, made.id, at=AT + 6)
