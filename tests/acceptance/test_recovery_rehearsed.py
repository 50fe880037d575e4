"""A machine is lost with all that was on it; another one brings everything back, unattended.

What is there: the kit's file, k shares, and the storage.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from secvault.crypto.evidence import verify_evidence
from secvault.crypto.note import NoteVerifier
from secvault.crypto.secret import Secret
from secvault.crypto.shares import split
from secvault.errors import Conflict, Damaged, InvalidInput
from secvault.records.erasure import erase_rows
from secvault.records.record import read_records
from secvault.service import authentication
from secvault.service.drill_scenarios import run_scenario
from secvault.service.drill_scenes.plays import Wish
from secvault.service.erasing.target import Kind, records_of, target_of
from secvault.service.recovering import incident, rebuilding
from secvault.service.spine import Caller
from tests.acceptance.departments import analysis, goods, money_matters, people_matters
from tests.acceptance.departments.office import hire, returned_office
from tests.acceptance.installation import ADMINISTRATOR, PASSWORD, PLAN, SEED, code_of
from tests.acceptance.recovered import (
    RECORD,
    THRESHOLD,
    Furnished,
    company,
    content_of,
    counts,
    damage_newest,
    furnish,
    let_read,
    machine,
    require_quiet,
    require_usable,
)
from tests.conftest import S3Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# A rehearsal does nothing of this: it would run a program, tell somebody, or save somewhere.
REACHING_OUT = """copies = ["second"]
schedule = "* * * * *"
check_schedule = "* * * * *"

[backup.repositories.second]
location = "FOLDER/second"

[backup.plans.nightly.hooks.tell]
when = "before"
command = ["/usr/bin/touch", "FOLDER/hook-ran"]

[notifications.mail]
url = "mailtos://user:word@127.0.0.1:9?to={address}"

[audit.publications.offsite]
location = "FOLDER/published"
every_seconds = 1

[audit.streams.siem]
address = "tcp://127.0.0.1:9"
plain = true
"""


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Furnished:
    """The company before its loss, saved twice, in two repositories."""
    folder = tmp_path_factory.mktemp("furnished")
    return furnish(company(folder, REACHING_OUT.replace("FOLDER", str(folder))))


def test_every_department_works_on_with_what_came_back(tmp_path: Path) -> None:
    lost = company(tmp_path / "company")
    seeds = hire(lost.installation)
    lost.back_up()
    there = machine(tmp_path / "other", lost)
    told = there.rehearse()
    assert told["passed"] is True
    # The old machine is gone; the storage is left.
    shutil.rmtree(lost.installation.data)
    with returned_office(there.installation(), seeds) as office:
        money_matters.accounting(office)
        money_matters.settlement(office)
        people_matters.hr(office, tmp_path)
        people_matters.administration(office)
        goods.production(office)
        goods.quality(office)
        goods.logistics(office)
        analysis.analysis(office)


def test_people_policies_keys_records_plans_and_log_are_back_and_nothing_was_touched(
    furnished: Furnished, tmp_path: Path
) -> None:
    lost = furnished.company
    home = lost.installation.folder
    watched = [home / "repository", home / "second", home / "published", home / "vault"]
    before = [content_of(one) for one in watched]
    # It ran for each backup.
    (home / "hook-ran").unlink()
    there = machine(tmp_path / "other", lost)
    told = there.rehearse()
    assert (told["passed"], told["kind"]) == (True, "recovery-rehearsal")
    assert [content_of(one) for one in watched] == before
    assert not (home / "hook-ran").exists()
    # What it states verifies by the key that was known before, and says what came back.
    document, note = (
        Path(told["evidence"]).read_bytes(),
        Path(told["evidence"]).with_suffix(".note").read_bytes(),
    )
    stated: Any = verify_evidence(document, note, NoteVerifier.from_vkey(furnished.vkey))
    assert stated["kit"] == told["kit"]
    assert Path(told["evidence"]).with_suffix(".vi.html").is_file()
    assert incident.read(there.recovered / "incident.jsonl")[0].what == "kit-opened"
    brought = there.installation()
    with brought.opened() as service:
        found = counts(service)
        assert {name: found[name] for name in furnished.counts} == dict(furnished.counts)
        assert set(service.backups.plans()) == {"nightly", "weekly"}
        require_quiet(service, there.recovered)
        require_usable(service, furnished)
    with brought.serving():
        for credential in (furnished.session, furnished.token):
            assert brought.call("GET", "/api/v1/collections", credential).status_code == 401
        signed_in = brought.call(
            "POST",
            "/api/v1/sessions",
            "",
            {"name": ADMINISTRATOR, "password": PASSWORD, "code": code_of(SEED)},
        )
        assert signed_in.status_code == 201, signed_in.text
        listed = brought.call("GET", "/api/v1/people", signed_in.json()["token"])
        assert {"head", "somebody"} <= {one["name"] for one in listed.json()["people"]}
    # It ran with its worker; still nothing of production was touched.
    assert [content_of(one) for one in watched] == before


def test_a_share_too_few_opens_nothing_and_says_no_more_than_that(
    furnished: Furnished, tmp_path: Path
) -> None:
    lost = furnished.company
    too_few = lost.shares[: THRESHOLD - 1]
    _, (foreign, *_) = split(Secret(bytes(32)), 3, 5)
    done = machine(tmp_path / "apart", lost, too_few).rehearsed()
    assert (done.returncode, done.stdout) == (2, "")
    assert "3 different shares open this kit, and 2 were given" in done.stderr
    for number, shares in enumerate((too_few, (*too_few, too_few[0]), (*too_few, foreign), ())):
        there = machine(tmp_path / str(number), lost, shares)
        with pytest.raises(InvalidInput) as caught:
            there.quickly(shares=shares)
        said = caught.value.detail
        assert "share" in said
        assert not any(part in said for share in lost.shares for part in _parts(share))
        # Neither the storage was asked nor anything laid down but that it was tried.
        assert sorted(one.name for one in there.recovered.iterdir()) == ["incident.jsonl"]
        whats = [one.what for one in incident.read(there.recovered / "incident.jsonl")]
        assert whats == ["kit-opened"]


def test_a_damaged_newest_snapshot_is_said_loudly_and_the_one_before_comes_back(
    furnished: Furnished, tmp_path: Path
) -> None:
    lost = furnished.company
    for name in ("repository", "second"):
        damage_newest(lost.installation.folder / name, tmp_path / name)
    there = machine(tmp_path / "other", lost)
    done = there.quickly(at=(f"here={tmp_path}/repository", f"second={tmp_path}/second"))
    assert not done.passed
    assert {fault.code for fault in done.faults} == {"snapshot-not-newest"}
    # In each of the two it was tried.
    assert len(done.faults) == 2
    with there.installation().opened() as service:
        assert counts(service)["people"] >= 1


def test_a_rehearsal_that_breaks_off_leaves_no_key_where_nothing_was_to_stay(
    furnished: Furnished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = machine(tmp_path / "other", furnished.company)
    seen: list[str] = []

    def broken(_work: object) -> None:
        seen.extend(one.name for one in there.recovered.iterdir())
        raise Damaged("a value does not open")

    monkeypatch.setattr(rebuilding, "finish", broken)
    with pytest.raises(Damaged):
        there.quickly(remove=True)
    assert "data.key" in seen
    assert [one.name for one in there.recovered.iterdir()] == ["incident.jsonl"]


def test_the_second_repository_serves_where_the_first_is_gone(
    furnished: Furnished, tmp_path: Path
) -> None:
    there = machine(tmp_path / "other", furnished.company)
    done = there.quickly(at=(f"here={tmp_path}/nowhere",))
    assert (done.passed, done.repository) == (True, "second")
    assert [words for words in done.skipped if words.startswith("the repository here")]


def test_who_was_erased_stays_erased_where_only_the_lost_repository_knows_of_it(
    tmp_path: Path,
) -> None:
    lost = company(
        tmp_path / "company",
        f'''copies = ["second"]
[backup.repositories.second]
location = "{tmp_path}/company/second"
''',
    )
    furnish(lost)
    installation, home = lost.installation, lost.installation.folder
    # The second lags behind: it is as it was before the erasure.
    for name in ("second", "second-data-keys"):
        shutil.copytree(home / name, tmp_path / name)
    with installation.opened() as service, service.store.write() as connection:
        target = target_of(service, Kind.RECORD, "payroll", RECORD)
        found = records_of(service, connection, target)
        erase_rows(connection, "erasure-1", found, service.clock.micros())
    lost.back_up()
    # Of the first one, no snapshot of the vault is left; its data keys are.
    for pack in (home / "repository" / "data").rglob("*"):
        if pack.is_file():
            pack.chmod(0o600)
            pack.write_bytes(b"gone")
    there = machine(tmp_path / "other", lost)
    done = there.quickly(at=(f"second={tmp_path}/second",))
    assert done.repository == "second"
    with there.installation().opened() as service, service.store.read() as connection:
        assert not read_records(
            connection, service.keyring, service.collections["payroll"], [RECORD]
        )


def test_it_comes_back_from_a_bucket_into_postgresql_by_who_may_only_read(
    s3_server: S3Server, postgresql_url: str, empty_postgresql_url: str, tmp_path: Path
) -> None:
    bucket = s3_server.new_bucket()
    written = {
        "AWS_ACCESS_KEY_ID": s3_server.access_key,
        "AWS_SECRET_ACCESS_KEY": s3_server.secret_key,
    }
    place = f"s3:{s3_server.endpoint}/{bucket}"
    more = f'[backup.repositories.far]\nlocation = "{place}/vault"\n'
    lost = company(
        tmp_path / "company",
        more,
        written,
        SECVAULT_STORE__URL=postgresql_url,
        SECVAULT_BACKUP__PLANS__NIGHTLY__REPOSITORY="far",
    )
    made = furnish(lost)
    let_read(s3_server, bucket)
    reading = {
        "AWS_ACCESS_KEY_ID": s3_server.guest_access_key,
        "AWS_SECRET_ACCESS_KEY": s3_server.guest_secret_key,
    }
    there = machine(tmp_path / "other", lost)
    for url, error, said in (
        ("", InvalidInput, "--store-url-file"),
        # A database that is in use is left as it is.
        (postgresql_url, Conflict, "not empty"),
    ):
        with pytest.raises(error, match=said):
            there.quickly(repository="far", store_url=url, environment=reading)
        shutil.rmtree(there.recovered)
    told = there.rehearse("--repository=far", **reading, SECVAULT_STORE__URL=empty_postgresql_url)
    assert (told["passed"], told["database"]) == (True, "postgresql")
    with there.installation().opened() as service:
        assert service.store.dialect == "postgresql"
        found = counts(service)
        assert {name: found[name] for name in made.counts} == dict(made.counts)
        require_usable(service, made)


def test_the_loss_of_the_host_is_played_in_a_database_of_its_own(
    postgresql_url: str, tmp_path: Path
) -> None:
    lost = company(tmp_path / "company", SECVAULT_STORE__URL=postgresql_url)
    furnish(lost)
    with lost.installation.opened() as service:
        operator = Caller(authentication.local_operator(service))
        before = counts(service)
        done = run_scenario(
            service, operator, "host-lost", PLAN, Wish(), lambda _progress: None, Event()
        )
        assert (done.passed, done.faults) == (True, ())
        assert counts(service) == before
        scratch = service.backups.scratch
        assert not [one for one in scratch.iterdir() if one.name.startswith("drill-")]


def _parts(share: Secret) -> list[str]:
    """What of a share would tell something of it: any three words that follow one another."""
    words = share.text().split()
    return [" ".join(words[at : at + 3]) for at in range(2, len(words) - 2)]
