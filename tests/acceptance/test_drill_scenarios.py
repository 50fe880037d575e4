"""Every scenario drill on real parts, and that nothing of production is touched by any of them.

The company of these tests has PostgreSQL and MariaDB databases, a SQLite file, records, and two
buckets of a real S3 server with Object Lock, the second of which gets copies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select

from secvault.access import add_grant
from secvault.backup.drills import words
from secvault.backup.drills.evidence import SCENARIO
from secvault.config.drills import ScenarioName
from secvault.crypto.evidence import verify_evidence
from secvault.crypto.secret import Secret
from secvault.errors import SecvaultError
from secvault.identity import people
from secvault.identity.people import find_person
from secvault.keyring.root import read_stored, reseal
from secvault.keyring.seals.seal import Wrapped, wrapped_by
from secvault.service import drill_scenarios, recovery_kits, seals
from secvault.service.drill_scenarios import SCENARIOS
from secvault.service.drill_scenes.plays import Wish
from secvault.store import tables
from tests.acceptance.drill_range import PLAN, Range, shooting_range
from tests.activated import activated
from tests.conftest import S3Server, asked_of_mariadb
from tests.quick_repository import made_quickly
from tests.running_service import PASSWORD

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

REPOSITORIES = "SECVAULT_BACKUP__REPOSITORIES"
SHARES, THRESHOLD = 3, 2


@pytest.fixture(scope="module")
def buckets(s3_server: S3Server) -> dict[str, str]:
    """A bucket for each repository, locked for a day."""
    return {name: s3_server.new_bucket(object_lock_days=1) for name in ("first", "second")}


@pytest.fixture(scope="module")
def range_(
    tmp_path_factory: pytest.TempPathFactory,
    postgresql_server: str,
    mariadb_server: str,
    s3_server: S3Server,
    buckets: dict[str, str],
) -> Iterator[Range]:
    """The company, after its first backup, with a kit that was issued afterwards."""
    settings = {
        "SECVAULT_RECOVERY__SHARES": str(SHARES),
        "SECVAULT_RECOVERY__THRESHOLD": str(THRESHOLD),
        "SECVAULT_BACKUP__PLANS__NIGHTLY__REPOSITORY": "first",
        "SECVAULT_BACKUP__PLANS__NIGHTLY__COPIES": json.dumps(["second"]),
    }
    for name, bucket in buckets.items():
        table = f"{REPOSITORIES}__{name.upper()}"
        settings |= {
            f"{table}__LOCATION": f"s3:{s3_server.endpoint}/{bucket}/vault",
            f"{table}__ACCESS_KEY_ID": s3_server.access_key,
            f"{table}__SECRET_ACCESS_KEY": s3_server.secret_key,
        }
    folder = tmp_path_factory.mktemp("company")
    with (
        made_quickly(),
        shooting_range(folder, postgresql_server, mariadb_server, settings) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def shares(range_: Range) -> tuple[Secret, ...]:
    """Of the kit, as its holders got them."""
    return recovery_kits.issue_kit(range_.service, range_.operator, new_shares=True).words


def played(made: Range, scenario: ScenarioName, wish: Wish | None = None) -> dict[str, Any]:
    """What the signed evidence says of a scenario that was played now."""
    service = made.service
    result = drill_scenarios.run_scenario(
        service, made.operator, scenario, PLAN, wish or Wish(), lambda _: None, Event()
    )
    report = drill_scenarios.read_scenario(service, made.operator, result.id)
    verified = verify_evidence(
        report.signed.document, report.signed.note, service.signing.evidence.verifier()
    )
    assert verified["kind"] == SCENARIO
    assert verified["passed"] is result.passed
    for file in drill_scenarios.evidence_files(service, report):
        assert file.is_file()
    assert made.left_behind() == []
    return dict(verified)


def told(document: dict[str, Any]) -> str:
    """All of it, for a test that fails."""
    return json.dumps(document, indent=1, ensure_ascii=False)


@contextmanager
def untouched(made: Range, server: S3Server, buckets: dict[str, str]) -> Iterator[None]:
    """While the block runs nothing of production changes, but what the log and the rows note."""
    before = _production(made, server, buckets)
    yield
    assert _production(made, server, buckets) == before


def _production(made: Range, server: S3Server, buckets: dict[str, str]) -> dict[str, Any]:
    databases = made.databases
    with psycopg.connect(databases.postgresql, dbname=databases.erp) as connection:
        erp = connection.execute("SELECT * FROM staff, bill WHERE staff.id = bill.id").fetchall()
    with psycopg.connect(databases.postgresql) as connection:
        names = connection.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall()
    shop = databases.shop
    found: dict[str, Any] = {
        "erp": erp,
        "databases": [name for (name,) in names if databases.erp.partition("_")[2] in name],
        "shop": asked_of_mariadb(databases.mariadb, f"SELECT * FROM {shop}.parts"),
        "notes": databases.notes.read_bytes(),
        "files": {
            str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_ino)
            for path in sorted(made.files.rglob("*"))
        },
    }
    kept = (tables.person, tables.role_grant, tables.session, tables.record, tables.data_key)
    with made.service.store.read() as connection:
        for table in kept:
            asked = select(func.count()).select_from(table)
            found[table.name] = connection.execute(asked).scalar_one()
    for bucket in buckets.values():
        found[bucket] = _objects(server, bucket)
    return found


def _objects(server: S3Server, bucket: str) -> set[tuple[str, str, bool]]:
    """All versions of what lies in a bucket, but restic's locks and the probes of drills."""
    pages = server.client().get_paginator("list_object_versions").paginate(Bucket=bucket)
    return {
        (one["Key"], one["VersionId"], one["IsLatest"])
        for page in pages
        for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        if "/locks/" not in one["Key"] and "secvault-probe" not in one["Key"]
    }


@pytest.fixture(scope="module")
def staff(range_: Range, shares: tuple[Secret, ...]) -> None:
    """A second administrator, and somebody who is prepared to break the glass.

    With them it takes an approval to issue a kit, so the kit comes before.
    """
    service = range_.service
    assert shares
    for name, role in (("binh", "role:it.admin"), ("mai", "role:it.break_glass_holder")):
        person, _ = activated(service, name, "it", PASSWORD)
        with service.store.write() as connection:
            add_grant(
                connection,
                service.policy.rules,
                subject=person.subject,
                role=role,
                department="it",
                granted_by=range_.operator.principal.subject,
                at=service.clock.micros(),
            )


@pytest.fixture
def seal_shares(range_: Range, staff: None) -> Iterator[tuple[Secret, ...]]:
    """Of the vault's seal, which is by shares during the test."""
    service = range_.service
    root = service.keyring.roots.present
    with service.store.read() as connection:
        before = read_stored(connection).wrapped
    made = seals.make_seal(service.settings, "shares", service.random, SHARES, THRESHOLD)

    def seal(wrapped: Wrapped) -> None:
        with service.store.write() as connection:
            reseal(connection, root, wrapped)

    seal(wrapped_by(made.seal, root.key, root.vault_id))
    yield made.shares
    seal(before)


@pytest.mark.usefixtures("staff")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_passes_on_real_parts_and_touches_nothing_of_production(
    range_: Range,
    shares: tuple[Secret, ...],
    s3_server: S3Server,
    buckets: dict[str, str],
    scenario: ScenarioName,
) -> None:
    given = shares[:THRESHOLD] if scenario in ("keys-lost", "host-lost") else ()
    with untouched(range_, s3_server, buckets):
        document = played(range_, scenario, Wish(shares=given))
    assert document["passed"] is True, told(document)


@pytest.mark.usefixtures("shares")
def test_by_a_schedule_the_kit_opens_without_its_holders_and_that_is_said(range_: Range) -> None:
    document = played(range_, "keys-lost")
    assert document["passed"] is True, told(document)
    assert any("holders" in words for words in document["not_tested"])


def test_the_holders_of_the_seal_let_a_new_administrator_in(
    range_: Range,
    seal_shares: tuple[Secret, ...],
    s3_server: S3Server,
    buckets: dict[str, str],
) -> None:
    with untouched(range_, s3_server, buckets):
        document = played(
            range_, "administrator-lost", Wish(shares=(seal_shares[0], seal_shares[2]))
        )
    assert document["passed"] is True, told(document)
    done = {step["name"]: step["verdict"] for step in document["steps"]}
    assert done["glass-broken"] == done["newcomer-works"] == "passed", told(document)
    document = played(range_, "administrator-lost", Wish(shares=(Secret.of("no share at all"),)))
    assert "kit-does-not-open" in {fault["code"] for fault in document["faults"]}


@pytest.mark.usefixtures("staff")
def test_a_lone_administrator_behind_a_seal_that_nobody_opens_is_a_finding(range_: Range) -> None:
    with range_.service.store.write() as connection:
        binh = find_person(connection, "binh").id
        people.disable_person(connection, range_.service.clock, binh)
    try:
        document = played(range_, "administrator-lost")
    finally:
        with range_.service.store.write() as connection:
            people.enable_person(connection, binh)
    assert "no-way-in" in {fault["code"] for fault in document["faults"]}, told(document)


def test_too_few_shares_are_a_finding_and_open_nothing(
    range_: Range, shares: tuple[Secret, ...]
) -> None:
    document = played(range_, "keys-lost", Wish(shares=shares[: THRESHOLD - 1]))
    assert document["passed"] is False
    assert [fault["code"] for fault in document["faults"]] == ["kit-does-not-open"]
    assert shares[0].text() not in json.dumps(document)


def test_a_plan_without_a_second_repository_does_not_survive_the_loss_of_its_first(
    range_: Range,
) -> None:
    document = played(range_.planned(copies=()), "bucket-lost")
    assert document["passed"] is False
    assert [fault["code"] for fault in document["faults"]] == ["no-second-repository"]


def test_a_bucket_without_a_lock_does_not_survive_an_attacker(
    range_: Range, s3_server: S3Server
) -> None:
    service = range_.service
    open_bucket = s3_server.new_bucket()
    settings = service.backups.settings_of("first").model_copy(
        update={"location": f"s3:{s3_server.endpoint}/{open_bucket}/vault", "keys_location": ""}
    )
    made = range_.on_repository(settings)
    document = played(made.planned(repository="open", copies=(), vault=False), "ransomware")
    assert document["passed"] is False, told(document)
    assert {fault["code"] for fault in document["faults"]} == {"repository-not-protected"}
    # What the drill itself wrote there is gone.
    assert _objects(s3_server, open_bucket) == set()
    pages = s3_server.client().list_object_versions(Bucket=open_bucket)
    assert not [one for one in pages.get("Versions", ()) if "probe" in one["Key"]]


def test_one_file_that_is_named_comes_back_and_one_that_was_not_saved_is_a_finding(
    range_: Range,
) -> None:
    wanted = range_.files / "deep" / "Hồ sơ 1.bin"
    document = played(range_, "single-file", Wish(path=str(wanted)))
    assert document["passed"] is True, told(document)
    assert str(wanted) in told(document)
    said = [step["words"] for step in document["steps"] if step["words"]]
    vietnamese = words.load("vi")
    assert [one for one in said if vietnamese.told(one) == one] == []
    document = played(range_, "single-file", Wish(path=str(range_.files / "never was")))
    assert [fault["code"] for fault in document["faults"]] == ["file-missing"]


def test_only_one_scenario_of_a_plan_is_played_at_a_time(range_: Range) -> None:
    engine = range_.service.backups
    engine.claim(
        tables.drill_scenario,
        PLAN,
        "another",
        scenario="single-file",
        requested_by="user:thu",
        started_at=engine.clock.micros(),
    )
    try:
        with pytest.raises(SecvaultError, match="running already"):
            played(range_, "single-file")
    finally:
        engine.end(tables.drill_scenario, "another", "failed", "of a test")
