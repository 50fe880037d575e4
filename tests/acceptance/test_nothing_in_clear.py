"""Nothing that is secret is readable: on disk, in logs, in backups, in the list of processes."""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import hvac
import pytest

from secvault.clock import system_clock
from secvault.config import load
from secvault.crypto.secret import Secret
from secvault.identity.people import NewPerson
from secvault.service import activation, bootstrap, invitations, opening, records
from secvault.service.authentication import authenticate, local_operator
from secvault.service.spine import Caller
from tests.acceptance.installation import (
    ADMINISTRATOR,
    PASSWORD,
    PLAN,
    SEED,
    Installation,
    code_of,
    family,
    free_port,
    payslip,
    system_token,
)
from tests.acceptance.watch import Watch, contents
from tests.conftest import S3Server

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

# Two bytes more than a nonce: what is drawn at a key's or seed's length is one.
SECRET_LENGTHS = (20, 32)
PLAIN = "Ngân hàng Không Mật"
VALUES = {
    "name": "Trịnh Thị Tuyệt Mật",
    "account": "9704360012345678",
    "note": "thưởng quý ba cho người thổi còi",
    "salary": "87654321",
    "changed account": "9704369999888877",
    "deleted name": "Người Đã Bị Xoá",
    "encrypted by a system": "a formula that nobody may read",
    "refused value": "9704-refused-because-it-is-far-too-long-for-an-account-number-0001",
    "mistyped password": "my other passphrase entirely",
    "password": PASSWORD,
    "seed": SEED,
}


@contextmanager
def watching(watch: Watch, scratch: Path) -> Iterator[None]:
    """Look at all processes, and at what lies in the scratch folder, again and again."""
    stopping = threading.Event()

    def run() -> None:
        while not stopping.wait(0.1):
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    watch.command_lines.add((process / "cmdline").read_bytes())
            for pid in family(os.getpid())[1:]:
                with suppress(OSError):
                    program = _program(pid)
                    environment = Path(f"/proc/{pid}/environ").read_bytes()
                    # One that becomes another program in between is met again at the next look.
                    # The servers of the tests are among our children too, and know their secrets.
                    if program == _program(pid) and b"SVTEST_" not in environment:
                        watch.environments.setdefault(program, set()).add(environment)
            watch.staged |= contents(scratch)

    with ThreadPoolExecutor(max_workers=1) as threads:
        looking = threads.submit(run)
        try:
            yield
        finally:
            stopping.set()
        looking.result()


def _program(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


@pytest.fixture
def watch(tmp_path: Path, s3_server: S3Server) -> Watch:
    """A vault that has lived: people, records, keys, refusals, backups; and what was seen of it."""
    seen = Watch()
    for name, text in VALUES.items():
        seen.keep_text(name, text)
    installation = _new_installation(tmp_path, s3_server)
    seen.keep_text("S3 secret", s3_server.secret_key)
    drawn: list[bytes] = []
    tokens = _furnish(installation, _recorder(drawn))
    for name, token in tokens.items():
        seen.keep_credential(name, token)
    with installation.serving() as process:
        _use(installation, seen, tokens)
        seen.look(installation.data)
        assert any(file.endswith("-wal") for file in seen.files)
        with watching(seen, installation.data / "scratch"):
            for plan in (PLAN, "remote"):
                installation.ok("backup", "run", plan)
            installation.ok("drill", "run", PLAN)
        assert process.poll() is None
    with installation.opened() as service:
        for repository in ("here", "bucket"):
            password = service.backups.repository(repository).password
            seen.keep_bytes(f"password of {repository}", password.expose())
    for number, secret in enumerate(drawn):
        seen.keep_bytes(f"{len(secret)} bytes drawn, number {number}", secret)
    for folder in (installation.data, installation.repository):
        seen.look(folder)
    seen.files["service.log"] = installation.log().encode()
    return seen


def test_nothing_secret_is_readable_on_disk_in_logs_in_backups_or_among_processes(
    watch: Watch,
) -> None:
    _require_that_it_would_be_found(watch)
    assert watch.found(watch.files) == []
    assert watch.found(watch.staged) == []
    assert watch.found({repr(line): line for line in watch.command_lines}) == []
    by_program = {program: b"\0".join(seen) for program, seen in watch.environments.items()}
    # restic takes the credentials of S3 in its environment, which only its own user can read.
    held = set(watch.found(by_program))
    assert held <= {("S3 secret", "restic"), ("S3 secret", "setpriv")}


def _require_that_it_would_be_found(watch: Watch) -> None:
    # A field of class normal is stored in clear, in the database and in its staged copy.
    for place in (watch.files, watch.staged):
        assert any(PLAIN.encode() in content for content in place.values())
    assert any(b"restic" in line for line in watch.command_lines)
    assert b"secvault answers on" in watch.files["service.log"]
    keys = [name for name in watch.secrets if name.startswith("32 bytes drawn")]
    seeds = [name for name in watch.secrets if name.startswith("20 bytes drawn")]
    # Root and seal, one key for each collection, peppers and signing keys, data keys, tokens.
    assert len(keys) > 25
    assert seeds
    assert any(place.endswith("secvault.db") for place in watch.staged)
    assert {"restic"} < set(watch.environments)


def _new_installation(folder: Path, s3: S3Server) -> Installation:
    made = Installation(folder, free_port())
    secret = folder / "s3.secret"
    secret.write_text(s3.secret_key)
    secret.chmod(0o600)
    (folder / "secvault.toml").write_text(
        f'data = "{made.data}"\n[server]\nport = {made.port}\n'
        f'[backup.repositories.here]\nlocation = "{made.repository}"\n'
        f'[backup.plans.{PLAN}]\nrepository = "here"\n'
        f'[backup.repositories.bucket]\nlocation = "s3:{s3.endpoint}/{s3.new_bucket()}"\n'
        f'access_key_id = "{s3.access_key}"\nsecret_access_key_file = "{secret}"\n'
        '[backup.plans.remote]\nrepository = "bucket"\n'
    )
    return made


def _recorder(drawn: list[bytes]) -> Callable[[int], bytes]:
    def random(count: int) -> bytes:
        fresh = os.urandom(count)
        if count in SECRET_LENGTHS:
            drawn.append(fresh)
        return fresh

    return random


def _furnish(installation: Installation, random: Callable[[int], bytes]) -> dict[str, str]:
    """A vault made in this process, so that what it draws is known; the tokens of its callers."""
    environment = installation.environment
    settings = load(Path(environment["SECVAULT_CONFIG"]), environment)
    opening.create_vault(settings, system_clock(), random)
    with installation.opened(random) as service:
        bootstrap.first_administrator(
            service,
            name=ADMINISTRATOR,
            display_name=ADMINISTRATOR,
            password=Secret.of(PASSWORD),
            seed=Secret.of(SEED),
        )
        operator = Caller(local_operator(service))
        new = NewPerson.of("mai.tran", "Mai Trần", "hr")
        invited = invitations.invite(service, operator, new)
        waiting = invitations.invite(service, operator, NewPerson.of("lan", "Lan", "hr"))
        assert invited.code is not None
        assert waiting.code is not None
        passphrase = Secret.of("the passphrase of somebody else")
        activation.begin(service, invited.code, password=passphrase, device="phone")
        tokens = {
            "invitation begun": invited.code.text(),
            "invitation": waiting.code.text(),
            "head's token": system_token(service, "payroll-sync", "hr", "role:hr.head"),
            "cryptor's token": system_token(
                service, "sync", "it", "role:it.cryptor", "role:it.key_custodian"
            ),
        }
        head = Caller(authenticate(service, tokens["head's token"]))
        money = {"amount": VALUES["salary"], "currency": "VND"}
        secret = payslip(
            full_name=VALUES["name"],
            bank=PLAIN,
            bank_account=VALUES["account"],
            note=VALUES["note"],
            gross_salary=money,
        )
        records.create_record(service, head, "payroll", "pay-1", secret)
        gone = payslip(full_name=VALUES["deleted name"])
        records.create_record(service, head, "payroll", "pay-2", gone)
        records.delete_record(service, head, "payroll", "pay-2", 1)
    return tokens


def _use(installation: Installation, seen: Watch, tokens: Mapping[str, str]) -> None:
    """The main things over HTTP, and what goes wrong every day."""
    head, place = tokens["head's token"], "/api/v1/records/payroll"
    wrong = {"name": ADMINISTRATOR, "password": VALUES["mistyped password"], "code": code_of(SEED)}
    assert installation.call("POST", "/api/v1/sessions", "", wrong).status_code == 401
    time.sleep(1.1)  # the delay after a failure
    right = {**wrong, "password": PASSWORD, "code": code_of(SEED)}
    opened = installation.call("POST", "/api/v1/sessions", "", right)
    assert opened.status_code == 201, opened.text
    seen.keep_credential("session", opened.json()["token"])
    forged = head[:-8] + "AAAAAAAA"
    assert installation.call("GET", place, forged).status_code == 401
    change = {"fields": {"bank_account": VALUES["changed account"]}}
    changed = installation.call("PATCH", f"{place}/pay-1", head, change, **{"If-Match": '"1"'})
    assert changed.status_code == 200, changed.text
    bad = {"fields": {"bank_account": VALUES["refused value"]}}
    refused = installation.call("PATCH", f"{place}/pay-1", head, bad, **{"If-Match": '"2"'})
    assert refused.status_code == 422
    assert VALUES["refused value"] not in refused.text
    read = installation.call("GET", f"{place}/pay-1", head)
    assert read.json()["masked"]["bank_account"] == f"•••{VALUES['changed account'][-4:]}"
    transit = hvac.Client(installation.address, tokens["cryptor's token"]).secrets.transit
    transit.create_key("formulas", exportable=True)
    plaintext = base64.b64encode(VALUES["encrypted by a system"].encode()).decode()
    sealed = transit.encrypt_data("formulas", plaintext=plaintext)["data"]["ciphertext"]
    assert transit.decrypt_data("formulas", ciphertext=sealed)["data"]["plaintext"] == plaintext
    keys = transit.export_key("formulas", key_type="encryption-key")["data"]["keys"]
    seen.keep_bytes("exported key", base64.b64decode(keys["1"]))
