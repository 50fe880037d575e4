"""The main job once, end to end, from outside: what `scripts/up --check` runs.

A vault in a temporary folder, the service over HTTP, people who sign in, an unmodified Vault
client, backups, a drill, the audit log, and damage that must be found. Every step is a line with
its figures; the first step that does not hold ends it.
"""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from importlib import metadata
from pathlib import Path

import hvac

from secvault.cli.checkbench import (
    PLAN,
    Bench,
    Somebody,
    StepFailed,
    bench_in,
    call,
    code,
    wait_until_ready,
)
from secvault.process import die_with_parent

RUN_SECONDS = 300
END_SECONDS = 60
PASSWORD_BYTES = 18


def selfcheck(say: Callable[[str], None], s3_url: str | None, *, keep: bool) -> int:
    """Run all steps; the exit code: 0 when every step held, 1 otherwise."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="secvault-check-"))
    try:
        steps = _Steps(say)
        with bench_in(folder, s3_url) as bench:
            _all_steps(bench, steps)
    except StepFailed as failure:
        say(f"✗ {failure}")
        return 1
    finally:
        if keep:
            say(f"  kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    say(f"✓ all {steps.done} steps held in {time.monotonic() - began:.0f} s")
    return 0


class _Steps:
    """Prints one line for each step that held."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.done = 0

    def held(self, name: str, figures: str) -> None:
        self.done += 1
        self._say(f"✓ {name}: {figures}")


def _all_steps(bench: Bench, steps: _Steps) -> None:
    admin = _new_vault(bench, steps)
    _sample_records(bench, steps)
    with _service(bench, steps):
        admin = _signed_in(bench, admin)
        steps.held("sign-in with password and TOTP", f"{admin.name} holds a session")
        head = _department(bench, steps, admin)
        _transit(bench, steps, admin)
        _first_backup(bench, steps, admin)
        _change_and_second_backup(bench, steps, head)
        _drill(bench, steps)
        vkey = _audit(bench, steps, admin)
        _tampering(bench, steps, head, vkey)


def _new_vault(bench: Bench, steps: _Steps) -> Somebody:
    began = time.monotonic()
    seed = base64.b32encode(secrets.token_bytes(20)).decode()
    admin = Somebody("admin", secrets.token_urlsafe(PASSWORD_BYTES), seed)
    bench.run(
        "init",
        more={
            "SECVAULT_ADMIN_NAME": admin.name,
            "SECVAULT_ADMIN_PASSWORD": admin.password,
            "SECVAULT_ADMIN_TOTP_SEED": admin.seed,
        },
    )
    steps.held("new vault", f"{bench.data.name}/ and its seal key, {_since(began)}")
    return admin


def _sample_records(bench: Bench, steps: _Steps) -> None:
    began = time.monotonic()
    bench.run("records", "load-sample")
    with closing(sqlite3.connect(bench.data / "secvault.db")) as database:
        records, fields, collections = (
            database.execute(question).fetchone()[0]
            for question in (
                "SELECT count(*) FROM record",
                "SELECT count(*) FROM record_field",
                "SELECT count(DISTINCT collection) FROM record",
            )
        )
    steps.held(
        "sample records of all departments",
        f"{records} records in {collections} collections, {fields} fields encrypted, "
        f"{_since(began)}",
    )


@contextmanager
def _service(bench: Bench, steps: _Steps) -> Iterator[None]:
    began = time.monotonic()
    with (bench.folder / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "secvault.cli", "serve"],
            env=bench.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Whatever ends the check ends its service too.
            preexec_fn=partial(die_with_parent, os.getpid()),  # noqa: PLW1509 - no threads here
        )
        try:
            wait_until_ready(bench, process)
            steps.held("service over HTTP", f"{bench.address}, ready after {_since(began)}")
            yield
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _signed_in(bench: Bench, who: Somebody) -> Somebody:
    given = {"name": who.name, "password": who.password, "code": code(who.seed)}
    wrong = {**given, "password": f"{who.password}x"}
    call(bench, "POST", "/api/v1/sessions", body=wrong, expect=401)
    opened = call(bench, "POST", "/api/v1/sessions", body=given, expect=201)
    return Somebody(who.name, who.password, who.seed, opened["token"])


def _department(bench: Bench, steps: _Steps, admin: Somebody) -> Somebody:
    clerk = _person(bench, admin, "mai.tran", "Trần Thị Mai", "role:hr.clerk")
    head = _person(bench, admin, "lan.nguyen", "Nguyễn Thị Lan", "role:hr.head")
    page = call(bench, "GET", "/api/v1/records/payroll?limit=1", head)
    place = f"/api/v1/records/payroll/{page['records'][0]['id']}"
    seen = call(bench, "GET", place, clerk)
    if "gross_salary" not in seen["masked"] or "gross_salary" in seen["fields"]:
        raise StepFailed("the clerk does not see the salary masked")
    refused = call(bench, "GET", f"{place}/fields/bank_account", clerk, expect=403)
    if not refused["detail"] or "bank_account" in seen["fields"]:
        raise StepFailed("the clerk is not refused the bank account with a reason")
    steps.held(
        "a clerk reads payroll",
        f"salary shown as {seen['masked']['gross_salary']}, bank account refused: "
        f"{refused['detail']}",
    )
    full = call(bench, "GET", place, head)
    why = {"reason": "to see that it works"}
    account = call(bench, "POST", f"{place}/fields/bank_account/reveal", head, why)["value"]
    if "gross_salary" not in full["fields"] or account == full["masked"]["bank_account"]:
        raise StepFailed("the head of the department does not see salary and bank account")
    steps.held(
        "the head of the department reads it",
        f"{len(full['fields'])} fields in clear, the bank account revealed for a reason",
    )
    return head


def _person(bench: Bench, admin: Somebody, name: str, shown: str, role: str) -> Somebody:
    new = {"name": name, "display_name": shown, "department": "hr"}
    invited = call(bench, "POST", "/api/v1/people", admin, new, 201)["invitation"]
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    begin = {"code": invited["code"], "password": password}
    begun = call(bench, "POST", "/api/v1/activation/begin", body=begin)
    # The two steps before the present one, so that the present code is left for signing in.
    codes = {"first": code(begun["seed"], 2), "second": code(begun["seed"], 1)}
    finish = {"code": invited["code"], **codes}
    call(bench, "POST", "/api/v1/activation/complete", body=finish)
    grant = {"subject": f"user:{name}", "role": role, "department": "hr"}
    call(bench, "POST", "/api/v1/grants", admin, grant, 201)
    return _signed_in(bench, Somebody(name, password, begun["seed"]))


def _transit(bench: Bench, steps: _Steps, admin: Somebody) -> None:
    system = {
        "name": "payroll-sync",
        "department": "it",
        "owner": "admin",
        "roles": ["role:it.cryptor"],
    }
    call(bench, "POST", "/api/v1/systems", admin, system, 201)
    issued = call(
        bench,
        "POST",
        "/api/v1/tokens",
        admin,
        {"account": "payroll-sync", "display_name": "check"},
        201,
    )
    client = hvac.Client(bench.address, issued["token"])
    transit = client.secrets.transit
    secret = base64.b64encode("lương tháng 11".encode()).decode()
    transit.create_key("check")
    first = transit.encrypt_data("check", plaintext=secret)["data"]["ciphertext"]
    transit.rotate_key("check")
    again = transit.rewrap_data("check", ciphertext=first)["data"]["ciphertext"]
    batch = [{"plaintext": secret} for _ in range(400)]
    began = time.monotonic()
    sealed = transit.encrypt_data("check", batch_input=batch)["data"]["batch_results"]
    opened = transit.decrypt_data(
        "check", batch_input=[{"ciphertext": one["ciphertext"]} for one in sealed]
    )["data"]["batch_results"]
    taken = _since(began)
    both = [
        transit.decrypt_data("check", ciphertext=one)["data"]["plaintext"] for one in (first, again)
    ]
    if both != [secret, secret] or any(one["plaintext"] != secret for one in opened):
        raise StepFailed("what hvac encrypted does not decrypt to the same")
    if not (first.startswith("vault:v1:") and again.startswith("vault:v2:")):
        raise StepFailed("rotation and rewrap did not move the ciphertext to version 2")
    version = client.seal_status["version"]
    steps.held(
        f"hvac {metadata.version('hvac')} against the encryption API {version}",
        f"encrypt, decrypt, rotate, rewrap; 400 fields there and back in {taken}",
    )


def _first_backup(bench: Bench, steps: _Steps, admin: Somebody) -> None:
    asked = call(bench, "POST", f"/api/v1/backups/plans/{PLAN}/runs", admin, expect=202)
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        runs = call(bench, "GET", "/api/v1/backups/runs", admin)["runs"]
        run = next((one for one in runs if one["id"] == asked["id"]), None)
        if run and run["state"] == "failed":
            raise StepFailed(f"the backup failed: {run['error']}")
        if run and run["state"] == "done":
            steps.held(
                "encrypted backup by the worker",
                f"snapshot {run['snapshot'][:8]}, {run['files']} files, {_size(run['bytes'])}",
            )
            return
        time.sleep(0.2)
    raise StepFailed("the backup that was asked for did not finish in time")


def _change_and_second_backup(bench: Bench, steps: _Steps, head: Somebody) -> None:
    page = call(bench, "GET", "/api/v1/records/payroll?limit=1", head)
    record = page["records"][0]
    version = str(record["version"])
    change = {"fields": {"bank_account": "9990001234567"}}
    place = f"/api/v1/records/payroll/{record['id']}"
    call(bench, "PATCH", place, head, change, 200, **{"If-Match": f'"{version}"'})
    call(bench, "PATCH", place, head, change, 412, **{"If-Match": f'"{version}"'})
    run = bench.run_json("backup", "run", PLAN)
    steps.held(
        "a change, then a second backup",
        f"version {record['version'] + 1}; "
        f"{_size(run['bytes_added'])} new of {_size(run['bytes'])}",
    )


def _drill(bench: Bench, steps: _Steps) -> None:
    found = bench.run_json("drill", "run", PLAN)
    if not found["passed"]:
        raise StepFailed(f"the drill did not pass: {found['faults']}")
    for name, verdict in found["levels"].items():
        steps.held(f"restore drill, {name}", verdict)
    steps.held(
        "restore drill, measured",
        f"RPO {found['rpo_seconds']} s, RTO {found['rto_seconds']} s, finding signed",
    )


def _audit(bench: Bench, steps: _Steps, admin: Somebody) -> str:
    keys: dict[str, str] = call(bench, "GET", "/api/v1/audit/keys", admin)
    bench.run("audit", "checkpoint")
    verdict = call(bench, "POST", "/api/v1/audit/verification", admin)
    if not verdict["ok"]:
        raise StepFailed(f"the audit log is not whole: {verdict['problems'][:3]}")
    steps.held(
        "audit log verified",
        f"{verdict['size']} entries, {verdict['checkpoints']} checkpoints, "
        f"root {verdict['root'][:16]}",
    )
    return keys["audit"]


def _tampering(bench: Bench, steps: _Steps, head: Somebody, vkey: str) -> None:
    copy = bench.folder / "tampered"
    copy.mkdir(mode=0o700)
    file = copy / "secvault.db"
    with (
        closing(sqlite3.connect(bench.data / "secvault.db")) as live,
        closing(sqlite3.connect(file)) as other,
    ):
        live.backup(other)
    bench.run("audit", "verify", "--copy", str(file), "--key", vkey)
    with closing(sqlite3.connect(file)) as other, other:
        for trigger in other.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            other.execute(f'DROP TRIGGER "{trigger[0]}"')
        _flip(other, "audit_event", "body", "seq = (SELECT max(seq) / 2 FROM audit_event)")
        place = _flip(
            other, "record_field", "envelope", "collection = 'payroll' AND field = 'full_name'"
        )
    bench.run("audit", "verify", "--copy", str(file), "--key", vkey, expect=5)
    steps.held("a tampered copy of the audit log", "one flipped bit found, exit code 5")
    elsewhere = {
        "SECVAULT_DATA": str(copy),
        "SECVAULT_SEAL__KEY_FILE": str(bench.data.with_name(f"{bench.data.name}.key")),
        "SECVAULT_TOKEN": head.token,
    }
    bench.run("records", "field", "payroll", place, "full_name", expect=5, more=elsewhere)
    steps.held("a tampered ciphertext", "one flipped bit found, exit code 5, nothing returned")


def _flip(database: sqlite3.Connection, table: str, column: str, where: str) -> str:
    """Flip one bit in the middle of the first blob; the record's id where there is one."""
    key = "record" if table == "record_field" else "seq"
    found = database.execute(
        f"SELECT rowid, {key}, {column} FROM {table} WHERE {where} LIMIT 1"  # noqa: S608
    ).fetchone()
    changed = bytearray(found[2])
    changed[len(changed) // 2] ^= 1
    database.execute(
        f"UPDATE {table} SET {column} = ? WHERE rowid = ?",  # noqa: S608
        (bytes(changed), found[0]),
    )
    return str(found[1])


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"


def _size(count: int) -> str:
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError
