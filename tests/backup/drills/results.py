"""Results of drills, scenarios and rehearsals, made by hand, to state and show."""

from __future__ import annotations

from secvault.backup.drills.evidence import EarlierDrill
from secvault.backup.drills.exercise import (
    BroughtBack,
    ExerciseFigures,
    ExerciseStep,
    RehearsalResult,
    ScenarioResult,
)
from secvault.backup.drills.result import (
    DrillResult,
    Fact,
    Fault,
    Figures,
    LevelResult,
    RtoEstimate,
    SampleFigures,
)

AT = 1_790_000_000_000_000
SECOND = 1_000_000
DAY = 86_400 * SECOND

FIGURES = Figures(
    data_at=AT - 80_000 * SECOND,
    rpo_seconds=80_000,
    rpo_target_seconds=86_400,
    rto_seconds=754.321,
    rto_target_seconds=14_400,
    phases={"fetch": 402.5, "restore": 61.2, "load": 190.0, "verify": 100.6},
    files=48_211,
    bytes=83_456_789_012,
    scratch_announced=91_000_000_000,
    scratch_used=88_123_456_789,
    audit_entries_lost=1_417,
)

LEVELS = (
    LevelResult(
        "repository",
        "passed",
        21.5,
        facts=(Fact("snapshots", 42),),
    ),
    LevelResult(
        "files",
        "passed",
        301.0,
        facts=(Fact("files-compared", 48_211), Fact("bytes-compared", 1 << 30)),
    ),
    LevelResult(
        "databases",
        "passed",
        190.0,
        facts=(Fact("databases-loaded", 3), Fact("rows-counted", 1_204_331)),
        not_tested=("no program of MariaDB is installed here",),
    ),
    LevelResult(
        "vault",
        "passed",
        80.2,
        facts=(
            Fact("records", 911),
            Fact("fields-decrypted", 250),
            Fact("audit-entries", 120_388),
            Fact("root-from", "kit"),
        ),
    ),
    LevelResult(
        "service",
        "passed",
        12.9,
        facts=(Fact("questions-asked", 5), Fact("answers-right", 5), Fact("started-in-ms", 4_310)),
    ),
)

PASSED = DrillResult(
    id="drill:nightly:2026-11-24T04:00:00Z",
    plan="nightly",
    repository="local",
    snapshot="ab" * 32,
    snapshot_at=AT - 79_000 * SECOND,
    chosen="newest",
    extent="whole",
    requested_by="user:thu",
    started_at=AT,
    finished_at=AT + 760 * SECOND,
    levels=LEVELS,
    figures=FIGURES,
)

PACK = "data/3f/3f9c0a7be5d1c2e48b60f7a9d8c7b6a5f4e3d2c1b0a99887766554433221100ff"

FAILED = DrillResult(
    id="019a0d3c5e7a7c11b0a5c2f0c3a1d2e4",
    plan="payroll",
    repository="offsite",
    snapshot="cd" * 32,
    snapshot_at=AT - 79_000 * SECOND,
    chosen="turn",
    extent="sample",
    requested_by="system:jobs",
    started_at=AT,
    finished_at=AT + 300 * SECOND,
    levels=(
        LevelResult(
            "repository",
            "failed",
            20.0,
            facts=(Fact("snapshots", 42),),
            faults=(Fault("pack-damaged", PACK, "its SHA-256 is not its name"),),
        ),
        LevelResult(
            "files",
            "failed",
            200.0,
            facts=(Fact("files-compared", 299),),
            faults=(
                Fault(
                    "file-changed",
                    "/srv/payroll/2026/Bảng lương tháng 10 (bản cuối cùng).xlsx",
                    "its SHA-256 is another one than in the manifest",
                ),
                Fault("file-mode", "/srv/payroll/run.sh", "mode 0644, where 0755 was saved"),
            ),
            not_tested=("files outside of the sample: 47912",),
        ),
        LevelResult("databases", "not tested", 0.0),
        LevelResult("vault", "not tested", 0.0),
        LevelResult("service", "not tested", 0.0),
    ),
    figures=Figures(
        data_at=AT - 3 * DAY,
        rpo_seconds=3 * 86_400,
        rpo_target_seconds=86_400,
        rto_seconds=31.4,
        rto_target_seconds=600,
        phases={"fetch": 22.0, "verify": 9.4},
        files=299,
        bytes=512_000_111,
        scratch_announced=700_000_000,
        scratch_used=520_000_000,
        estimate=RtoEstimate(5_021.0, 4_380.5, 5_902.0),
        sample=SampleFigures(48_211, 299, 2, 0.01, 0.95, 0.0209347),
    ),
)

EARLIER = tuple(
    EarlierDrill(
        id=f"drill:nightly:{number}",
        started_at=AT - (9 - number) * 7 * DAY,
        passed=number != 4,
        rpo_seconds=80_000 + number,
        rto_seconds=500.0 + 30 * number,
        bytes_per_second=200_000_000 - 4_000_000 * number,
    )
    for number in range(9)
)

RANSOMWARE = ScenarioResult(
    id="scenario:nightly:ransomware:2026-11-24T05:00:00Z",
    scenario="ransomware",
    plan="nightly",
    repository="offsite",
    snapshot="ef" * 32,
    requested_by="user:thu",
    started_at=AT,
    finished_at=AT + 95 * SECOND,
    steps=(
        ExerciseStep("snapshot-found", "system:drill", AT, 1.2, "passed", "of 2026-09-20"),
        ExerciseStep(
            "deletion-attempted",
            "system:drill",
            AT + 2 * SECOND,
            3.3,
            "passed",
            "with the backup's own credentials, on a probe object: refused",
        ),
        ExerciseStep(
            "lock-shortening-attempted", "system:drill", AT + 6 * SECOND, 0.4, "not tested", ""
        ),
        ExerciseStep("version-brought-back", "system:drill", AT + 7 * SECOND, 60.0, "passed"),
    ),
    figures=ExerciseFigures(
        data_at=AT - DAY,
        rpo_seconds=86_400,
        rpo_target_seconds=86_400,
        rto_seconds=95.0,
        rto_target_seconds=0,
        phases={"fetch": 60.0, "verify": 30.0},
        files=120,
        bytes=5_000_000,
    ),
    not_tested=("old versions of other plans in the same bucket",),
)

REHEARSAL = RehearsalResult(
    id="019b0d3c5e7a7c11b0a5c2f0c3a1d2e4",
    mode="rehearsal",
    company="Công ty Sao Mai",
    kit="kit-7",
    kit_issued_at=AT - 30 * DAY,
    threshold=3,
    shares=3,
    machine="rescue-1",
    version="0.9.0",
    database="sqlite",
    seal="file",
    plan="secvault",
    repository="offsite",
    snapshot="12" * 32,
    snapshot_at=AT - DAY,
    requested_by="Nguyễn Văn An",
    started_at=AT,
    finished_at=AT + 400 * SECOND,
    steps=(
        ExerciseStep("kit-opened", "Nguyễn Văn An, Trần Thị Bình", AT, 2.0, "passed", "3 shares"),
        ExerciseStep("snapshot-fetched", "system:recovery", AT + 3 * SECOND, 200.0, "passed"),
        ExerciseStep(
            "service-asked",
            "system:recovery",
            AT + 300 * SECOND,
            6.0,
            "failed",
            "the record payroll/pay-7 does not decrypt",
        ),
    ),
    brought_back=(BroughtBack("people", 42), BroughtBack("records", 911), BroughtBack("mice", 3)),
    figures=ExerciseFigures(
        data_at=AT - DAY,
        rpo_seconds=86_400,
        rpo_target_seconds=43_200,
        rto_seconds=400.0,
        rto_target_seconds=3_600,
        phases={"open": 2.0, "fetch": 200.0, "restore": 50.0, "start": 8.0, "verify": 40.0},
        audit_entries_lost=None,
    ),
    skipped=("repository local: it cannot be reached",),
    faults=(Fault("field-unreadable", "payroll/pay-7", "it does not decrypt"),),
)

VERSION_1 = {
    "audit_events_lost": 17,
    "bytes": 5_000_000,
    "data_at": "2026-09-20T16:00:00.000000Z",
    "files": 4242,
    "finished_at": "2026-09-21T14:14:55.000000Z",
    "id": "drill:nightly:2026-09-21T04:00:00Z",
    "kind": "restore-drill",
    "passed": True,
    "plan": "nightly",
    "repository": "local",
    "requested_by": "user:thu",
    "rpo_ms": 80_000_000,
    "rto_ms": 12_345,
    "snapshot": "ab" * 32,
    "started_at": "2026-09-21T14:13:20.000000Z",
    "steps": [
        {"finding": "4242 files, 5000000 bytes", "name": "restore", "passed": True},
        {"finding": "4242 files hashed, all as they were", "name": "file hashes", "passed": True},
    ],
    "version": 1,
}
