"""Today tells each concern to those who may know it, and leads to where it is mended."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import Update, insert, select, update

from secvault import access
from secvault.audit.detection.rules import Alert
from secvault.backup import rpo
from secvault.identity import people
from secvault.service import Service, authentication, recovery_kits, systems
from secvault.service.detecting import raise_alert
from secvault.service.spine import Caller
from secvault.store import tables
from tests.console.browsing import signed_in
from tests.running_service import Api

DAY = 24 * 3600
MICROS = 1_000_000
PLAN = "nightly"


def told(api: Api, who: str) -> list[tuple[str, str]]:
    """What Today says to somebody: each title, with where its button leads."""
    page = signed_in(api, who).get("/").text
    found = []
    for item in re.findall(r'<li class="(?:bad|warn)">(.*?)</li>', page, re.DOTALL):
        title = re.sub(r"<[^>]+>|\s+", " ", item[: item.index("</h2>")])
        link = re.search(r'class="button" href="([^"]*)"', item)
        found.append((" ".join(title.split()), link[1] if link else ""))
    return found


def drilled(service: Service, *, passed: bool, seconds: int = 60) -> None:
    """A drill of the plan, which took so long."""
    now = service.clock.micros()
    with service.store.write() as connection:
        connection.execute(
            insert(tables.drill).values(
                id=f"drill-{passed}",
                plan=PLAN,
                state="done",
                phase="done",
                requested_by="system:jobs",
                started_at=now - MICROS,
                finished_at=now,
                passed=passed,
                complete=True,
                rto_seconds=seconds,
                node="test:1",
                beat_at=now,
            )
        )


def behind(service: Service) -> None:
    with service.store.write() as connection:
        rpo.first_seen(connection, [PLAN], service.clock.micros() - 3 * DAY * MICROS)


def damaged(service: Service) -> None:
    now = service.clock.micros()
    with service.store.write() as connection:
        connection.execute(
            insert(tables.backup_check).values(
                id="check-1",
                plan=PLAN,
                state="failed",
                phase="done",
                requested_by="system:jobs",
                started_at=now,
                finished_at=now,
                passed=False,
                node="test:1",
                beat_at=now,
            )
        )
        connection.execute(
            insert(tables.backup_checked).values(
                check_id="check-1", repository="local", checked_at=now, passed=False, read="all"
            )
        )


def no_kit(service: Service) -> None:
    with service.store.write() as connection:
        connection.execute(tables.recovery_kit.delete())


def old_key(service: Service) -> None:
    with service.store.write() as connection:
        service.keyring.create(connection, "transit", "old")
        long_ago = service.clock.micros() - 400 * DAY * MICROS
        for table in (tables.named_key, tables.named_key_version):
            changed = update(table).where(table.c.name == "old").values(created_at=long_ago)
            connection.execute(changed)


def locked(service: Service) -> None:
    with service.store.write() as connection:
        connection.execute(_of_clerk().values(state="locked"))


def without_factor(service: Service) -> None:
    with service.store.write() as connection:
        connection.execute(_of_clerk().values(state="pending"))


def _of_clerk() -> Update:
    clerk = select(tables.person.c.id).where(tables.person.c.name == "clerk")
    return update(tables.totp_device).where(tables.totp_device.c.person == clerk.scalar_subquery())


def alerted(service: Service) -> None:
    with service.store.write() as connection:
        raise_alert(service, connection, Alert("many_reads", "svc:x", service.clock.micros()))


def token_ends(service: Service) -> None:
    operator = Caller(authentication.local_operator(service))
    systems.issue_token(service, operator, account="system", display_name="of old", days=30)
    with service.store.write() as connection:
        token = tables.token
        soon = {"expires_at": service.clock.micros() + 5 * DAY * MICROS}
        soon["created_at"] = soon["expires_at"] - 30 * DAY * MICROS
        connection.execute(update(token).where(token.c.display_name == "of old").values(soon))


def role_ends(service: Service) -> None:
    now = service.clock.micros()
    with service.store.write() as connection:
        access.add_grant(
            connection,
            service.policy.rules,
            subject=people.by_name_or_id(connection, "clerk").subject,
            role="role:hr.head",
            department="hr",
            granted_by="local:operator",
            at=now - 20 * DAY * MICROS,
            expires_at=now + 5 * DAY * MICROS,
        )


BOTH, ADMIN = {"admin", "auditor"}, {"admin"}
CASES: dict[str, tuple[Callable[[Service], None], str, str, set[str]]] = {
    "behind": (behind, "The plan nightly is behind its promise", "/backups/nightly", BOTH),
    "damaged": (damaged, "The last check of the plan nightly found damage",
                "/backups/nightly", BOTH),
    "drill failed": (lambda it: drilled(it, passed=False),
                     "The last drill of the plan nightly did not pass",
                     "/drills/drill-False", BOTH),
    "too slow": (lambda it: drilled(it, passed=True, seconds=DAY),
                 "Restoring the plan nightly takes longer than promised",
                 "/drills/drill-True", BOTH),
    "no kit": (no_kit, "There is no recovery kit", "/recovery", BOTH),
    "old key": (old_key, "The key transit/old is old and was never rotated",
                "/keys/transit/old", BOTH),
    "locked": (locked, "clerk is locked out", "/people/clerk", BOTH),
    "without factor": (without_factor, "clerk has no second factor", "/people/clerk", BOTH),
    "alert": (alerted, "Unusually many values were looked at", "/audit/alerts", BOTH),
    "token": (token_ends, "A token of the system system ends soon", "/systems/system", ADMIN),
    "role": (role_ends, "A role of clerk ends soon", "/people/clerk", BOTH),
}  # fmt: skip


@pytest.fixture
def calm(api: Api) -> Api:
    """With a recovery kit in somebody's hands, so that nothing is wrong."""
    with api.house.open() as service:
        operator = Caller(authentication.local_operator(service))
        recovery_kits.issue_kit(service, operator)
        recovery_kits.take_kit(service, operator)
    return api


@pytest.mark.parametrize("case", CASES)
def test_a_concern_is_told_to_who_may_know_it_with_where_it_is_mended(calm: Api, case: str) -> None:
    make, title, path, who = CASES[case]
    with calm.house.open() as service:
        make(service)
    for name in ("admin", "auditor", "head"):
        found = {
            said.removeprefix("Act now ").removeprefix("Look at it "): link
            for said, link in told(calm, name)
        }
        assert (title in found) is (name in who), (name, found)
        if name in who:
            assert found[title] == path


def test_nothing_is_told_where_nothing_is_wrong(calm: Api) -> None:
    for name in ("admin", "auditor", "head", "clerk"):
        assert told(calm, name) == []


def test_what_is_looked_at_is_named_and_no_more_than_one_may_know(calm: Api) -> None:
    def areas(who: str) -> list[str]:
        page = signed_in(calm, who).get("/").text
        part = page[page.index('<ul class="areas">') :]
        return re.findall(r'<li class="good">(?:<a [^>]*>)?([^<:]+)', part[: part.index("</ul>")])

    assert areas("clerk") == ["Audit log", "Reviews"]
    assert "Tokens" in areas("admin")
    assert "Tokens" not in areas("auditor")
