"""Roles that come from a provider's groups stay apart from those granted here."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from secvault.access import Grant, Rules, add_grant, list_grants, revoke_grant
from secvault.access.obligations import load_obligations
from secvault.access.provided import Changed, Place, check_mapped, exceeds_records, reconcile
from secvault.access.vocabulary import PROVIDERS
from secvault.errors import InvalidInput, Refused
from secvault.store import Store
from secvault.store.epoch import POLICY, read_epoch

POLICIES = Path(__file__).parents[2] / "policies"
AT = 1_700_000_000_000_000
LONGEST = 365 * 86_400_000_000
PLACES = (("role:hr.clerk", "hr"), ("role:hr.head", "hr"), ("role:quality.clerk", "quality"))
SOURCES = ("oidc:corp", "scim:corp", "oidc:other")
NUMBERS = count(100)
place = st.sampled_from(PLACES)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("grant"), place),
        st.tuples(st.just("revoke"), place),
        st.tuples(st.sampled_from(SOURCES), st.frozensets(place)),
    ),
    max_size=12,
)


@given(steps)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_a_provider_adds_and_ends_its_own_grants_and_no_others(
    store: Store, shipped: Rules, steps: list[tuple[str, object]]
) -> None:
    held: dict[object, str] = {}
    # Somebody new each time: grants are never deleted.
    somebody = f"user:{next(NUMBERS)}"
    moments = count(AT)
    for what, said in steps:
        at = next(moments)
        with store.write() as connection:
            before = read_epoch(connection, POLICY)
            if what == "grant" and said not in held:
                role, department = said  # type: ignore[misc]
                add_grant(
                    connection,
                    shipped,
                    subject=somebody,
                    role=role,
                    department=department,
                    granted_by="user:9",
                    at=at,
                )
                held[said] = ""
            elif what == "revoke" and said in held:
                (grant,) = [
                    each
                    for each in list_grants(connection, subject=somebody, valid_at=at)
                    if (each.role, each.department) == said
                ]
                revoke_grant(connection, grant.id, at=at)
                del held[said]
            elif what in SOURCES:
                wanted: frozenset[object] = said  # type: ignore[assignment]
                changed = _said(connection, shipped, somebody, what, wanted, at)  # type: ignore[arg-type]
                held = {
                    where: source
                    for where, source in held.items()
                    if source != what or where in wanted
                }
                for where in wanted - held.keys():
                    held[where] = what
                moved = bool(changed.added or changed.ended)
                assert (read_epoch(connection, POLICY) > before) == moved
        with store.read() as connection:
            found = {
                (each.role, each.department): each.source
                for each in list_grants(connection, subject=somebody, valid_at=at)
            }
        assert found == held


def test_a_grant_that_begins_later_or_is_over_is_neither_doubled_nor_in_the_way(
    store: Store, shipped: Rules
) -> None:
    role, department = PLACES[0]
    with store.write() as connection:
        for start, end in ((AT + 50, None), (AT, AT + 10)):
            subject = "user:1" if end is None else "user:2"
            add_grant(
                connection,
                shipped,
                subject=subject,
                role=role,
                department=department,
                granted_by="user:9",
                at=AT,
                not_before=start,
                expires_at=end,
            )
        for subject, added in (("user:1", False), ("user:2", True)):
            done = _said(connection, shipped, subject, "oidc:corp", {PLACES[0]}, AT + 20)
            assert bool(done.added) is added


def test_the_providers_word_puts_an_end_off_when_half_of_the_time_has_passed(
    store: Store, shipped: Rules
) -> None:
    says = {"subject": "user:1", "source": "oidc:corp", "wanted": {PLACES[0]}}
    with store.write() as connection:
        (made,) = _said(connection, shipped, **says, at=AT, end=AT + LONGEST).added  # type: ignore[arg-type]
        early = _said(connection, shipped, **says, at=AT + LONGEST // 2)  # type: ignore[arg-type]
        assert early == Changed((), (), ())
        at = AT + LONGEST // 2 + 1
        late = _said(connection, shipped, **says, at=at)  # type: ignore[arg-type]
        assert [each.id for each in late.extended] == [made.id]
        assert list_grants(connection, valid_at=at)[0].expires_at == at + LONGEST


def _said(
    connection: Connection,
    rules: Rules,
    subject: str,
    source: str,
    wanted: Iterable[Place],
    at: int,
    end: int | None = None,
) -> Changed:
    """What a provider says of a person, kept to. end: of what is given."""

    def give(place: Place) -> Grant:
        return add_grant(
            connection,
            rules,
            subject=subject,
            role=place[0],
            department=place[1],
            granted_by=PROVIDERS,
            at=at,
            expires_at=end,
            source=source,
        )

    return reconcile(
        connection,
        subject=subject,
        source=source,
        wanted=wanted,
        at=at,
        give=give,
        longest=LONGEST,
    )


def test_nobody_grants_in_the_name_of_providers_without_a_source(
    store: Store, shipped: Rules
) -> None:
    with store.write() as connection, pytest.raises((InvalidInput, Refused)):
        add_grant(
            connection,
            shipped,
            subject="user:1",
            role="role:hr.clerk",
            department="hr",
            granted_by="system:providers",
            at=AT,
        )


def test_only_roles_that_work_with_records_and_need_one_person_come_without_a_word(
    shipped: Rules,
) -> None:
    obligations = load_obligations(POLICIES)
    ordinary = {role for role in shipped.roles if not exceeds_records(shipped, role)}
    assert ordinary == {
        # Heads also have a say in who gets a role of their department.
        f"role:{department}.{rank}"
        for department in (
            "accounting",
            "hr",
            "production",
            "quality",
            "analysis",
            "administration",
            "logistics",
            "settlement",
        )
        for rank in ("clerk", "researcher")
    } | {
        *("role:analysis.analyst", "role:accounting.treasurer"),
        *("role:hr.payroll_clerk", "role:hr.team_lead"),
    }
    check_mapped(shipped, obligations, "role:hr.clerk", "hr", privileged=False)
    check_mapped(shipped, obligations, "role:it.admin", "it", privileged=True)
    for role in ("role:it.admin", "role:it.auditor", "role:it.cryptor", "role:it.provisioner"):
        with pytest.raises(InvalidInput, match="privileged_roles"):
            check_mapped(shipped, obligations, role, "it", privileged=False)
    # It reads salaries in clear, which takes two people to give here.
    with pytest.raises(InvalidInput, match="privileged_roles"):
        check_mapped(shipped, obligations, "role:hr.head", "hr", privileged=False)
