"""A company with a backup and a recovery kit, and what comes back of it on another machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import func, select

from secvault.audit.verify import verify
from secvault.backup import repositories
from secvault.backup.drills.exercise import RehearsalResult
from secvault.backup.repositories import StoredRepository
from secvault.clock import system_clock
from secvault.config import RepositorySettings
from secvault.crypto.secret import Secret
from secvault.keyring.named_key import read_key
from secvault.records.record import read_records
from secvault.service import (
    Service,
    authentication,
    grants,
    plan_schedules,
    records,
    recovery_kits,
    transit,
)
from secvault.service.recovering import incident
from secvault.service.recovering.work import Order, rehearse
from secvault.service.spine import Caller
from secvault.store import tables
from tests.acceptance.installation import (
    ADMINISTRATOR,
    CHEAP,
    PASSWORD,
    PLAN,
    SEED,
    Installation,
    code_of,
    new_installation,
    payslip,
    system_token,
)
from tests.conftest import S3Server
from tests.running_service import PASSWORD as PERSONS_PASSWORD
from tests.running_service import add_person

PROGRAM = (sys.executable, "-m", "secvault.cli")
THRESHOLD = 3
RECORD, KEY = "pay-0042", "payroll"
_COUNTED = {
    "people": tables.person,
    "grants": tables.role_grant,
    "policies": tables.policy_version,
    "data keys": tables.data_key,
    "records": tables.record,
    "fields": tables.record_field,
    "plans": tables.backup_plan,
}


@dataclass(frozen=True)
class Company:
    """What is left when the machine is lost: the kit's file, the shares, the storage.

    credentials: variables by which the storage is reached.
    """

    installation: Installation
    kit: bytes
    shares: tuple[Secret, ...]
    credentials: Mapping[str, str] = field(default_factory=dict)

    def back_up(self, plan: str = PLAN) -> str:
        """Save everything; the id of the snapshot."""
        return str(self.installation.json("backup", "run", plan, **self.credentials)["snapshot"])


@dataclass(frozen=True)
class Machine:
    """Another machine: a folder with a kit and shares in it, and nothing else of secvault."""

    folder: Path
    credentials: Mapping[str, str]

    @property
    def recovered(self) -> Path:
        """Where everything comes back to."""
        return self.folder / "recovered"

    @property
    def environment(self) -> dict[str, str]:
        """What a bare machine has, and the credentials of the storage."""
        passed = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")
        bare = {name: os.environ[name] for name in passed if name in os.environ}
        return {**bare, **self.credentials, "NO_COLOR": "1"}

    def run(
        self, *arguments: str, stdin: str = "", **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the program here, as somebody at this machine does."""
        done = subprocess.run(
            [*PROGRAM, *arguments],
            env={**self.environment, **more},
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        assert "bug in secvault" not in done.stderr, done.stderr
        return done

    def rehearse(self, *more: str, **variables: str) -> dict[str, Any]:
        """Rehearse with what lies here; what it says as JSON. It must have passed."""
        done = self.rehearsed(*more, **variables)
        assert done.returncode == 0, (done.stderr, self._failed())
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def _failed(self) -> list[str]:
        """What did not go well, by the incident log, and what the service said last."""
        log = self.recovered / "service.log"
        entries = incident.read(self.recovered / "incident.jsonl")
        wrong = ("failed", "fault", "skipped")
        return [
            *(one.words for one in entries if {one.what, one.facts.get("verdict")} & {*wrong}),
            log.read_text()[-1500:] if log.exists() else "",
        ]

    def rehearsed(self, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """The same, however it ends."""
        given = ("--kit", "kit.json", "--share-file", "shares.txt", "--json")
        return self.run("recovery", "rehearse", *given, *more, **variables)

    def quickly(self, **more: Any) -> RehearsalResult:
        """The same in this process, without starting the service; what it came to."""
        given = Path(self.folder / "shares.txt").read_text().splitlines()
        said: dict[str, Any] = {
            "shares": tuple(map(Secret.of, given)),
            "environment": self.environment,
            **more,
        }
        said["environment"] = {**self.environment, **said["environment"]}
        order = Order(
            folder=self.recovered,
            kit=(self.folder / "kit.json").read_bytes(),
            requested_by="local:operator",
            serve=False,
            sign=False,
            **said,
        )
        return rehearse(order, system_clock(), os.urandom, lambda _said: None).result

    def installation(self) -> Installation:
        """What came back, as an installation to be used."""
        settings = tomllib.loads((self.recovered / "secvault.toml").read_text())
        return Brought(self.recovered, int(settings["server"]["port"]), CHEAP)


@dataclass(frozen=True)
class Brought(Installation):
    """An installation that lies as a recovery lays it."""

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"


def company(
    folder: Path,
    more: str = "",
    credentials: Mapping[str, str] | None = None,
    **given: str,
) -> Company:
    """A company that has issued its kit, and saved nothing yet but what made the repository."""
    installation = new_installation(folder, more, **given)
    found = dict(credentials or {})
    installation.ok("backup", "run", PLAN, **found)
    with installation.opened() as service:
        operator = Caller(authentication.local_operator(service))
        issued = recovery_kits.issue_kit(service, operator)
    return Company(installation, issued.kit, issued.words, found)


def machine(folder: Path, lost: Company, shares: Sequence[Secret] | None = None) -> Machine:
    """Another machine with the kit, and k shares unless others are given."""
    folder.mkdir(parents=True)
    (folder / "kit.json").write_bytes(lost.kit)
    given = lost.shares[1 : 1 + THRESHOLD] if shares is None else shares
    (folder / "shares.txt").write_text("\n".join(share.text() for share in given) + "\n")
    return Machine(folder, lost.credentials)


@dataclass(frozen=True)
class Furnished:
    """A company with something of everything. session, token: good until the machine was lost.

    vkey: of its evidence.
    """

    company: Company
    session: str
    token: str
    counts: Mapping[str, int]
    vkey: str


def furnish(lost: Company) -> Furnished:
    """Have people, a record, a key, a system and a second plan in it, and save them twice."""
    installation = lost.installation
    with installation.opened() as service:
        operator = Caller(authentication.local_operator(service))
        seed = add_person(service, "head", "hr")
        add_person(service, "somebody", "hr")
        grants.add_grant(
            service, operator, subject="user:head", role="role:hr.head", department="hr"
        )
        signed_in = [
            authentication.sign_in(service, name, Secret.of(password), Secret.of(code_of(own)))
            for name, password, own in (
                (ADMINISTRATOR, PASSWORD, SEED),
                ("head", PERSONS_PASSWORD, seed),
            )
        ]
        head = Caller(authentication.authenticate(service, signed_in[1].token.text()))
        records.create_record(service, head, "payroll", RECORD, payslip())
        token = system_token(service, "system", "it", "role:it.cryptor", "role:it.key_custodian")
        system = Caller(authentication.authenticate(service, token))
        transit.create_key(service, system, "transit", KEY, transit.KeyOptions(exportable=True))
    plan = installation.folder / "weekly.toml"
    repository = installation.json("backup", "plan", "show", PLAN)["settings"]["repository"]
    plan.write_text(
        f'repository = "{repository}"\nschedule = "* * * * *"\n'
        'ping_url = "https://127.0.0.1:9/switch"\n'
    )
    installation.ok("backup", "plan", "add", "weekly", "--from", str(plan))
    with installation.opened() as service:
        _add_repository(service)
    lost.back_up()
    lost.back_up()
    with installation.opened() as service:
        vkey = service.signing.evidence.verifier().vkey
        return Furnished(lost, signed_in[0].token.text(), token, counts(service), vkey)


def _add_repository(service: Service) -> None:
    """One that the kit does not know, with credentials of its own."""
    added = StoredRepository(
        "added",
        RepositorySettings(
            location="s3:https://127.0.0.1:9/vault",
            access_key_id="AK",
            secret_access_key=SecretStr("of the store"),
        ),
        "local:operator",
        service.clock.micros(),
    )
    with service.store.write() as connection:
        repositories.add(connection, service.backups.repositories.key, service.random, added)


def counts(service: Service) -> dict[str, int]:
    """How much of each thing is there."""
    with service.store.read() as connection:
        found = {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in _COUNTED.items()
        }
        key = tables.named_key.c
        found["keys"] = connection.execute(
            select(func.count()).where(key.mount != "internal")
        ).scalar_one()
    return found


def require_usable(service: Service, furnished: Furnished) -> None:
    """Require that record, key and log are what they were."""
    collection = service.collections["payroll"]
    with service.store.read() as connection:
        (record,) = read_records(connection, service.keyring, collection, [RECORD])
        assert record.value("bank_account") == payslip()["bank_account"]
        opened = service.keyring.open(connection, read_key(connection, "transit", KEY))
        assert opened.versions
    keys = service.signing.audit_verifiers
    assert keys[0].name != keys[-1].name
    report = verify(
        service.store,
        [each for each in keys if each.name == keys[0].name],
        origin=keys[0].name,
        former=[each for each in keys if each.name != keys[0].name],
    )
    assert report.ok, report.problems
    assert service.signing.evidence.verifier().vkey == furnished.vkey


def require_quiet(service: Service, folder: Path) -> None:
    """Require that nothing here starts by itself, tells anybody, or reaches out of the folder."""
    settings = service.settings
    for plan in settings.backup.plans.values():
        assert (plan.schedule, plan.check_schedule, plan.drill_schedule) == ("", "", "")
        assert not plan.hooks
        assert not plan.ping_url
    with service.store.read() as connection:
        assert [*plan_schedules.of_store(service, connection)] == []
    assert not settings.notifications.any
    assert not settings.audit.streams
    assert not settings.audit.published
    assert not settings.recovery.kit_folders
    assert not settings.recovery.kit_beside_repositories
    assert not service.backups.plan("weekly").ping_url
    assert "added" in service.backups.repositories.names()
    for name in service.backups.repositories.names():
        assert Path(service.backups.settings_of(name).location).is_relative_to(folder)


def content_of(folder: Path) -> dict[str, str]:
    """Every file below a folder by its SHA-256; what locks and journals come and go is in it."""
    return {
        str(file.relative_to(folder)): sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def damage_newest(repository: Path, into: Path) -> None:
    """Copy a repository with its data keys, and damage what its newest snapshot added."""
    shutil.copytree(repository, into)
    shutil.copytree(f"{repository}-data-keys", f"{into}-data-keys")
    made = sorted(file.stat().st_mtime_ns for file in (into / "snapshots").iterdir())
    newer = [
        pack
        for pack in (into / "data").rglob("*")
        if pack.is_file() and pack.stat().st_mtime_ns > made[-2]
    ]
    assert newer
    for pack in newer:
        content = bytearray(pack.read_bytes())
        content[len(content) // 3] ^= 1
        pack.chmod(0o600)
        pack.write_bytes(content)


def let_read(server: S3Server, bucket: str) -> None:
    """Let the guest of the server read a bucket, and do nothing else there."""
    arn = f"arn:aws:s3:::{bucket}"
    guest = {"AWS": ["arn:aws:iam:::user/secvault-guest"]}
    allowed = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": guest,
                "Action": ["s3:GetObject"],
                "Resource": [f"{arn}/*"],
            },
            {
                "Effect": "Allow",
                "Principal": guest,
                "Action": ["s3:ListBucket", "s3:GetBucketLocation"],
                "Resource": [arn],
            },
        ],
    }
    server.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(allowed))
