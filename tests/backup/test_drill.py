"""A restore drill on a real repository: what it proves, what it finds, and what it leaves."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from threading import Event

import msgspec
import psycopg
import pytest
from sqlalchemy import update

from secvault.backup import drill, manifest, numbers, run, staging
from secvault.backup.database import scratch_database
from secvault.crypto.evidence import verify_evidence
from secvault.errors import BackupFailed, Conflict, NotFound
from secvault.store import tables
from tests.backup.moments import when_it_saves
from tests.backup.small_vault import NOON, PLAN, SIGNER, SmallVault, small_vault
from tests.quick_repository import made_quickly

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]

SCHEDULED = "drill:nightly:2026-11-24T04:00:00Z"
ALL_STEPS = [
    "restore",
    "file hashes",
    "database",
    "data keys",
    "audit log",
    "decrypted sample",
    "removal",
]


class _AtOnce:
    """Does what it is given at once, in the thread that gives it."""

    def __init__(self, *_named: object) -> None:
        pass

    def submit(self, act: Callable[..., object], *given: object) -> Future[object]:
        done: Future[object] = Future()
        done.set_result(act(*given))
        return done

    def shutdown(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _looked_at_before_it_is_tampered_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the look at the staged copy meets what these tests do to the manifest in it."""
    monkeypatch.setattr(numbers, "ThreadPoolExecutor", _AtOnce)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[SmallVault]:
    with small_vault(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def backed_up_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backed-up")
    with made_quickly(), small_vault(folder) as made:
        made.back_up()
    return folder


@pytest.fixture
def backed_up(backed_up_once: Path, tmp_path: Path) -> Iterator[SmallVault]:
    """A vault with one snapshot."""
    shutil.copytree(backed_up_once, tmp_path / "vault")
    with small_vault(tmp_path / "vault") as made:
        yield made


def stored(vault: SmallVault, drill_id: str) -> drill.Drill:
    found = drill.find_drill(vault.engine, drill_id)
    assert found is not None
    return found


def evidence(vault: SmallVault, drill_id: str) -> dict[str, object]:
    """The verified document of a drill."""
    document, note = drill.evidence(vault.engine, drill_id)
    assert msgspec.json.encode(msgspec.json.decode(document), order="sorted") == document
    return dict(verify_evidence(document, note, SIGNER.verifier()))


def failed_step(vault: SmallVault, drill_id: str = "drill-1") -> tuple[str, str]:
    """The one step that did not hold, as the signed evidence tells it."""
    told = evidence(vault, drill_id)
    steps = told["steps"]
    assert isinstance(steps, list)
    ((name, finding),) = [(one["name"], one["finding"]) for one in steps if not one["passed"]]
    assert told["passed"] is False
    assert stored(vault, drill_id).passed is False
    assert not any(name.startswith("drill") for name in vault.left_in_scratch())
    return name, finding


def saved_by_hand(vault: SmallVault, change: str) -> None:
    """A run whose manifest was tampered with before it was saved."""
    folder = vault.engine.scratch / staging.staging(PLAN)

    def tamper(_arguments: list[str]) -> None:
        head = manifest.read(folder / manifest.NAME)
        files = list(manifest.entries(head, folder))
        place = next(at for at, one in enumerate(files) if one.path.endswith("lương.txt"))
        other = {"sha256": "00" * 32} if change == "hash" else {"path": "/srv/no such file"}
        files[place] = msgspec.structs.replace(files[place], **other)
        lines = b"".join(msgspec.json.encode(one) + b"\n" for one in files)
        (folder / manifest.ENTRIES).write_bytes(lines)
        listed = manifest.Listed(len(files), 0, hashlib.sha256(lines).hexdigest())
        manifest.write(msgspec.structs.replace(head, listed=listed), folder / manifest.NAME)

    when_it_saves(vault, tamper).back_up("by-hand")


def test_a_drill_proves_every_step_and_measures_by_the_clock(backed_up: SmallVault) -> None:
    backed_up.hands.seconds += 3600
    finding = backed_up.drill(SCHEDULED)

    assert [step.name for step in finding.steps] == ALL_STEPS
    assert finding.passed
    assert (finding.data_at, finding.started_at) == (NOON * 10**6, (NOON + 3600) * 10**6)
    # An hour since the copy was made; the proofs took 60 and 30 seconds.
    assert (finding.rpo_ms, finding.rto_ms) == (3_600_000, 90_000)
    assert finding.finished_at == (NOON + 3690) * 10**6
    row = stored(backed_up, SCHEDULED)
    assert (row.state, row.passed, row.rpo_seconds, row.rto_seconds) == ("done", True, 3600, 90)
    assert backed_up.left_in_scratch() == []


def test_a_snapshot_with_a_manifest_of_the_first_version_is_drilled_as_ever(
    backed_up: SmallVault,
) -> None:
    folder = backed_up.engine.scratch / staging.staging(PLAN)
    (backed_up.documents / "left out.tmp").write_bytes(b"x")

    def as_before(_arguments: list[str]) -> None:
        head = manifest.read(folder / manifest.NAME)
        files = [
            {
                "path": one.path,
                "size": one.size,
                "modified_ns": one.modified_ns,
                "sha256": one.sha256,
                "raw_path": one.raw_path,
            }
            for one in manifest.entries(head, folder)
            if one.is_file()
        ]
        left_out = str(backed_up.documents / "left out.tmp")
        files.append({"path": left_out, "size": 1, "modified_ns": 1, "sha256": "00" * 32})
        told = {
            "format": "secvault manifest v1",
            "run": head.run,
            "plan": head.plan,
            "data_at": head.data_at,
            "audit_size": head.audit_size,
            "database": head.database,
            "files": files,
            "keys_apart": True,
        }
        (folder / manifest.ENTRIES).unlink()
        (folder / manifest.NAME).write_bytes(msgspec.json.encode(told))

    backed_up.hands.seconds += 60
    excluding = backed_up.planned(excludes=("*.tmp",))
    when_it_saves(excluding, as_before).back_up("run-2")
    finding = excluding.drill()

    assert finding.passed, finding.steps
    assert finding.files == 4
    assert any("1 were left out by the plan's excludes" in one.finding for one in finding.steps)


def test_the_evidence_is_the_finding_under_a_signature(backed_up: SmallVault) -> None:
    finding = backed_up.drill()
    told = evidence(backed_up, "drill-1")

    assert (told["kind"], told["version"], told["passed"]) == ("restore-drill", 1, True)
    assert (told["snapshot"], told["plan"], told["files"]) == (finding.snapshot, PLAN, 4)
    assert told["data_at"] == "2026-09-21T14:13:20.000000Z"
    assert told["rpo_ms"] == 0


def test_the_newest_snapshot_is_drilled(backed_up: SmallVault) -> None:
    backed_up.hands.seconds += 60
    second, _ = backed_up.back_up("run-2")

    assert backed_up.drill().snapshot == second.snapshot


def test_a_flipped_bit_in_the_repository_is_found_and_named(backed_up: SmallVault) -> None:
    largest = backed_up.packs()[-1]
    content = bytearray(largest.read_bytes())
    content[len(content) // 3] ^= 1
    largest.chmod(0o600)
    largest.write_bytes(content)
    backed_up.drill()
    name, finding = failed_step(backed_up)

    assert name == "restore"
    assert largest.name[:8] in finding or "damage" in finding


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "hash",
            "0 files missing, 1 different, first {documents}/Bảng lương.txt",
        ),
        (
            "file",
            "1 files missing, 0 different, first /srv/no such file",
        ),
    ],
)
def test_a_file_that_is_not_what_the_manifest_says_is_named(
    vault: SmallVault, change: str, words: str
) -> None:
    saved_by_hand(vault, change)
    vault.drill()

    assert failed_step(vault) == ("file hashes", words.format(documents=vault.documents))


def test_a_snapshot_that_no_run_made_proves_nothing(vault: SmallVault) -> None:
    repository = vault.engine.ready_repository("local")
    vault.engine.restic.backup(
        repository,
        (vault.documents,),
        host="elsewhere",
        tags=(f"plan={PLAN}",),
        on_progress=vault.seen.append,
    )
    vault.drill()

    assert failed_step(vault) == (
        "file hashes",
        "the snapshot holds no copy of secvault; it was not made by a backup run",
    )


def test_damage_that_a_proof_finds_stands_in_the_evidence(backed_up: SmallVault) -> None:
    backed_up.drill(damage="payroll/pay-7 bank_account does not open")

    assert failed_step(backed_up) == (
        "decrypted sample",
        "payroll/pay-7 bank_account does not open",
    )


def test_what_cannot_be_removed_is_a_finding(backed_up: SmallVault) -> None:
    first = backed_up.engine.clear

    class Stuck(type(backed_up.engine)):  # type: ignore[misc]
        def clear(self, folder: Path) -> None:
            if folder.exists():
                raise BackupFailed(f"remove {folder.name[:6]} by hand")
            first(folder)

    engine = backed_up.engine
    stuck = Stuck(**{name: getattr(engine, name) for name in engine.__dataclass_fields__})
    finding = replace(backed_up, engine=stuck).drill()

    assert not finding.passed
    assert [step.finding for step in finding.steps if not step.passed] == ["remove drill- by hand"]


def test_without_a_snapshot_the_drill_fails_and_says_what_to_do(vault: SmallVault) -> None:
    vault.engine.ready_repository("local")
    with pytest.raises(NotFound, match="secvault backup run nightly"):
        vault.drill()

    row = stored(vault, "drill-1")
    assert (row.state, row.passed) == ("failed", None)
    assert row.error is not None
    assert "no snapshot yet" in row.error
    with pytest.raises(NotFound):
        drill.evidence(vault.engine, "drill-1")


def test_a_missing_repository_is_not_made_by_a_drill(vault: SmallVault) -> None:
    with pytest.raises(NotFound, match="no repository"):
        vault.drill()

    assert not (vault.folder / "repository").exists()


def test_a_drill_that_fails_leaves_nothing_and_can_be_done_again(backed_up: SmallVault) -> None:
    failing = replace(backed_up, seen=_Failing())
    with pytest.raises(ZeroDivisionError):
        failing.drill()
    assert stored(backed_up, "drill-1").state == "failed"
    assert backed_up.left_in_scratch() == []

    assert backed_up.drill().passed


class _Failing(list):  # type: ignore[type-arg]
    def append(self, _progress: object) -> None:
        raise ZeroDivisionError


def test_what_a_killed_drill_restored_is_removed_by_the_next(backed_up: SmallVault) -> None:
    left = backed_up.engine.scratch / "drill-0123456789abcdef"
    (left / "read only").mkdir(parents=True)
    (left / "read only/salary.txt").write_bytes(b"plain")
    (left / "read only").chmod(0o500)

    assert backed_up.drill().passed
    assert backed_up.left_in_scratch() == []


def test_a_killed_drill_goes_on_at_once_under_its_own_id_and_under_no_other(
    backed_up: SmallVault,
) -> None:
    drill.begin(backed_up.engine, PLAN, "drill-1", "user:thu")
    with pytest.raises(Conflict, match="running already"):
        backed_up.drill("drill-2")

    assert backed_up.drill("drill-1").passed


def test_a_drill_that_was_given_up_stores_no_finding(backed_up: SmallVault) -> None:
    elsewhere = backed_up.engine

    class Late(list):  # type: ignore[type-arg]
        def append(self, _progress: object) -> None:
            with elsewhere.store.write() as connection:
                connection.execute(update(tables.drill).values(state="failed"))

    with pytest.raises(Conflict, match="given up"):
        replace(backed_up, seen=Late()).drill()
    assert stored(backed_up, "drill-1").state == "failed"


def test_a_drill_on_postgresql_restores_beside_the_live_database(
    tmp_path: Path, postgresql_url: str
) -> None:
    with small_vault(tmp_path, postgresql_url) as vault:
        vault.back_up()
        finding = vault.drill(SCHEDULED)
        scratch = scratch_database(vault.engine.store, SCHEDULED)

    with psycopg.connect(postgresql_url) as connection:
        found = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
    assert [step.finding for step in finding.steps if not step.passed] == []
    assert finding.steps[2].finding == "opened as postgresql, 0 records"
    assert scratch not in found


def test_a_store_of_a_newer_program_is_a_finding(vault: SmallVault) -> None:
    run.begin(vault.engine, PLAN, "run-1", "user:thu")
    with vault.engine.store.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    run.stage(vault.engine, "run-1", Event())
    run.save(vault.engine, "run-1", vault.seen.append, Event())
    vault.drill()
    name, finding = failed_step(vault)

    assert name == "database"
    assert "newer program" in finding
