"""The main job end to end, as `secvault self-check` and a plan on a locked bucket do it."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.acceptance.installation import (
    PROGRAM,
    READY_SECONDS,
    STOP_SECONDS,
    Installation,
    alive_after,
    family,
    new_installation,
)
from tests.conftest import S3Server

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

STEPS = (
    "new vault",
    "sample records of all departments",
    "service over HTTP",
    "sign-in with password and TOTP",
    "a clerk reads payroll",
    "the head of the department reads it",
    "hvac",
    "encrypted backup by the worker",
    "a change, then a second backup",
    "restore drill, measured",
    "audit log verified",
    "a tampered copy of the audit log",
    "a tampered ciphertext",
)


def test_it_holds_with_a_local_repository_and_says_each_step(tmp_path: Path) -> None:
    said = _self_check(tmp_path)
    _assert_steps(said)


def test_it_holds_on_a_bucket_where_every_object_is_locked(
    tmp_path: Path, s3_server: S3Server
) -> None:
    bucket = s3_server.new_bucket(object_lock_days=1)
    said = _self_check(
        tmp_path, "--s3", f"{s3_server.endpoint}/{bucket}", **_credentials(s3_server)
    )
    _assert_steps(said)
    stored = s3_server.client().list_objects_v2(Bucket=bucket)
    assert any(one["Key"].startswith("snapshots/") for one in stored["Contents"])


def test_one_that_is_killed_takes_its_service_along(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*PROGRAM, "self-check"],
        env={**Installation(tmp_path, 0).environment, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            deadline = time.monotonic() + READY_SECONDS
            started = family(process.pid)
            while not any(map(_serves, started)):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
                started = family(process.pid)
        finally:
            process.kill()
    assert alive_after(started, STOP_SECONDS) == []


def _serves(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"\0serve\0")
    except OSError:
        return False


def test_retention_says_what_the_lock_keeps_and_is_no_error(
    tmp_path: Path, s3_server: S3Server
) -> None:
    bucket = s3_server.new_bucket(object_lock_days=1)
    location = f"s3:{s3_server.endpoint}/{bucket}/vault"
    keep = "keep_last = 1\nkeep_daily = 0\nkeep_weekly = 0\nkeep_monthly = 0\n"
    installation = new_installation(
        tmp_path,
        f'[backup.repositories.locked]\nlocation = "{location}"\n'
        f'[backup.plans.weekly]\nrepository = "locked"\n{keep}',
    ).with_(**_credentials(s3_server))
    first = installation.json("backup", "run", "weekly")
    second = installation.json("backup", "run", "weekly")
    third = installation.json("backup", "run", "weekly")
    assert [run["state"] for run in (first, second, third)] == ["done"] * 3
    assert first["retention"]["removed"] == []
    snapshots = installation.json("backup", "snapshots", "weekly")["snapshots"]
    # What was forgotten is gone from sight or named as kept by the lock; nothing is left unsaid.
    for run in (second, third):
        report = run["retention"]
        assert report["removed"] or report["kept_by_storage"] or report["not_deleted"], report
    assert third["snapshot"] in {one["id"] for one in snapshots}
    # Deletion in a bucket with versions always succeeds, and the lock keeps the bytes.
    assert third["retention"]["held_by_lock"]["objects"] > 0
    assert third["retention"]["held_by_lock"]["until"]
    for days, safe in (("1", True), ("400", False)):
        looked = installation.run("backup", "bucket", "weekly", "--days", days, "--json")
        seen = json.loads(looked.stdout)["repositories"]
        assert seen[0]["immutable"] is safe, seen
        # Whoever watches by this command hears of what is wrong.
        assert looked.returncode == int(any(one["findings"] for one in seen)), seen
        assert safe or looked.returncode == 1
    versions = s3_server.client().list_object_versions(Bucket=bucket, Prefix="vault/snapshots/")
    held = {one["Key"].rpartition("/")[2] for one in versions["Versions"]}
    assert {first["snapshot"], second["snapshot"], third["snapshot"]} <= held
    target = tmp_path / "restored"
    installation.ok("backup", "restore", "weekly", "--target", str(target))


def _self_check(folder: Path, *options: str, **more: str) -> list[str]:
    done = Installation(folder, 0).run(
        "self-check", *options, TMPDIR=str(folder), SECVAULT_CONFIG="", **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(folder.iterdir()) == []
    return done.stdout.splitlines()


def _assert_steps(said: list[str]) -> None:
    assert all(line.startswith("✓ ") for line in said), said
    lines = iter(said)
    for step in STEPS:
        assert any(line.startswith(f"✓ {step}") for line in lines), (step, said)
    assert f"all {len(said) - 1} steps held" in said[-1]


def _credentials(server: S3Server) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
