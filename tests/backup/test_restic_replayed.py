"""The wrapper over what restic 0.14 and 0.18 printed, with garbage between, cut short, or neither.

It gives the recorded answer, or an error by name; never another answer, never another exception.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup.repository import Repository
from secvault.backup.repository_faults import RepositoryDamaged
from secvault.backup.restic import Restic, Retention
from secvault.backup.restic_messages import Snapshot, read_list
from secvault.crypto.secret import Secret
from secvault.errors import BackupFailed, SecvaultError
from tests.backup.replayed_restic import Said, replayed

RECORDED = Path(__file__).parent / "recorded"
VERSIONS = ("0.14.0", "0.18.0")
LINES = {
    version: (RECORDED / f"restic-{version}-lines.jsonl").read_bytes().splitlines()
    for version in VERSIONS
}
SAVED = {
    "0.14.0": "ab087e0c13b3be3b6fd3501d493edd350acce111a8027eed37938559a0bd600e",
    "0.18.0": "7057fe300a2595b1cc40c697155733f41377387cc9372e6afac9d92fe2277840",
}
FORGET = (RECORDED / "restic-0.14.0-forget.txt").read_bytes()
SOUND = {
    "0.14.0": b"using temporary cache in /tmp/x\ncheck snapshots, trees and blobs\n"
    b"[0:00] 100.00%  1 / 1 snapshots\nno errors were found",
    "0.18.0": next(line for line in LINES["0.18.0"] if b'"num_errors":0' in line),
}


def of_kind(version: str, *kinds: bytes) -> list[bytes]:
    return [line for line in LINES[version] if any(kind in line for kind in kinds)]


BACKUP = {version: of_kind(version, b'"bytes_done"', b'"snapshot_id"') for version in VERSIONS}
SNAPSHOTS = {
    version: b"[" + b",".join(of_kind(version, b'"short_id"')) + b"]" for version in VERSIONS
}
ENTRIES = {version: of_kind(version, b'"struct_type":"node"') for version in VERSIONS}

versions = st.sampled_from(VERSIONS)
whole_lines = st.sampled_from([line for version in VERSIONS for line in LINES[version]])
# A line that restic did not finish, words, bytes of any kind, a message that nobody knows.
garbage = (
    st.builds(lambda line, cut: line[: cut % len(line)], whole_lines, st.integers(0))
    | st.binary(max_size=80).map(lambda some: some.replace(b"\n", b""))
    | st.text(max_size=80).map(lambda some: some.replace("\n", "").encode())
    | st.just(b'{"message_type":"verdict of tomorrow","num_errors":7}')
    | st.just(b'{"message_type":"status","percent_done":"all"}')
).filter(lambda line: read_list(line, Snapshot) is None)
anything = st.lists(whole_lines | garbage, max_size=8).map(b"\n".join)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a repository that has the snapshots of the recorded backups."""
    made = tmp_path_factory.mktemp("replayed")
    (made / "repository/snapshots").mkdir(parents=True)
    for snapshot in SAVED.values():
        (made / "repository/snapshots" / snapshot).touch()
    return made


@pytest.fixture(scope="module")
def repository(folder: Path) -> Repository:
    return Repository(str(folder / "repository"), Secret.of("a password of the tests"))


def save(restic: Restic, repository: Repository) -> Any:
    return restic.backup(repository, [Path("/")], host="host", on_progress=lambda _: None)


def forget(restic: Restic, repository: Repository) -> Any:
    return restic.forget(repository, Retention(last=1), tags=("plan=a",), prune=True)


def listed(restic: Restic, repository: Repository) -> Any:
    return list(restic.ls(repository, "latest"))


METHODS: dict[str, Callable[[Restic, Repository], Any]] = {
    "backup": save,
    "snapshots": lambda restic, repository: restic.snapshots(repository),
    "forget": forget,
    "check": lambda restic, repository: restic.check(repository),
    "ls": listed,
    "identity": lambda restic, repository: restic.identity(repository),
}


@st.composite
def strewn(draw: st.DrawFn, lines: list[bytes]) -> bytes:
    """The lines in their order, with garbage before, between and behind them."""
    some = st.lists(garbage, max_size=2)
    parts = [*draw(some)]
    for line in lines:
        parts += [line, *draw(some)]
    return b"\n".join(parts) + draw(st.sampled_from([b"", b"\n"]))


@given(versions, st.data())
def test_garbage_among_the_lines_of_a_backup_changes_nothing(
    folder: Path, repository: Repository, version: str, data: st.DataObject
) -> None:
    said = Said(data.draw(strewn(BACKUP[version])))
    summary = save(replayed(folder, said), repository)
    assert (summary.snapshot_id, summary.files_total) == (SAVED[version], 3)
    assert summary.bytes_total == 62914563


@given(versions, st.data())
def test_a_backup_whose_last_line_is_cut_short_is_no_backup(
    folder: Path, repository: Repository, version: str, data: st.DataObject
) -> None:
    whole = b"\n".join(BACKUP[version])
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(BackupFailed, match="without naming the snapshot"):
        save(replayed(folder, Said(whole[:cut])), repository)


@given(versions, st.data())
def test_garbage_around_a_list_of_snapshots_changes_nothing(
    folder: Path, repository: Repository, version: str, data: st.DataObject
) -> None:
    said = Said(data.draw(strewn([SNAPSHOTS[version]])))
    found = replayed(folder, said).snapshots(repository)
    assert [one.id for one in found] == [one["id"] for one in json.loads(SNAPSHOTS[version])]


@given(versions, st.data())
def test_a_list_of_snapshots_cut_short_is_an_error_and_not_fewer_snapshots(
    folder: Path, repository: Repository, version: str, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(SNAPSHOTS[version]) - 1))
    with pytest.raises(BackupFailed, match="as JSON"):
        replayed(folder, Said(SNAPSHOTS[version][:cut])).snapshots(repository)


@given(versions, st.data())
def test_garbage_among_entries_leaves_them_as_they_are(
    folder: Path, repository: Repository, version: str, data: st.DataObject
) -> None:
    said = Said(data.draw(strewn(ENTRIES[version])))
    found = listed(replayed(folder, said), repository)
    assert [one.path for one in found] == [json.loads(line)["path"] for line in ENTRIES[version]]


@given(versions, st.data())
def test_a_check_is_sound_only_where_restic_said_so_to_the_end(
    folder: Path, repository: Repository, version: str, data: st.DataObject
) -> None:
    sound = SOUND[version]
    assert replayed(folder, Said(data.draw(strewn([*sound.splitlines()])))).check(repository)
    cut = data.draw(st.integers(0, len(sound) - 1))
    with pytest.raises(BackupFailed, match="without a verdict"):
        replayed(folder, Said(sound[:cut])).check(repository)


@given(data=st.data())
def test_errors_of_a_check_are_damage_whatever_its_exit_status_and_what_is_around(
    folder: Path, repository: Repository, data: st.DataObject
) -> None:
    broken = next(line for line in LINES["0.18.0"] if b'"num_errors":1' in line)
    said = Said(data.draw(strewn([broken])), status=data.draw(st.sampled_from([0, 1])))
    with pytest.raises(RepositoryDamaged) as caught:
        replayed(folder, said).check(repository)
    assert caught.value.files == (f"pack {json.loads(broken)['broken_packs'][0]}",)


@given(st.data())
def test_garbage_around_what_is_forgotten_changes_nothing(
    folder: Path, repository: Repository, data: st.DataObject
) -> None:
    said = Said(data.draw(strewn(FORGET.splitlines())))
    report = forget(replayed(folder, said), repository)
    assert [one.id[:8] for one in report.removed] == ["ab087e0c"]
    assert [one.snapshot.id[:8] for one in report.kept] == ["0f6c1eaf"]


@given(st.sampled_from([*METHODS]), anything, anything, st.integers(-15, 130))
def test_whatever_restic_says_the_answer_is_typed_or_an_error_by_name(
    folder: Path, repository: Repository, method: str, out: bytes, err: bytes, status: int
) -> None:
    restic = replayed(folder, Said(out, err, status))
    refusal: SecvaultError | None = None
    try:
        METHODS[method](restic, repository)
    except SecvaultError as error:
        refusal = error
    assert status == 0 or refusal is not None or method == "forget"
    assert refusal is None or "\n" not in refusal.detail


@given(st.sampled_from(["backup", "snapshots", "check", "ls", "identity"]), versions, st.data())
def test_a_run_that_failed_is_never_taken_for_one_that_went_well(
    folder: Path, repository: Repository, method: str, version: str, data: st.DataObject
) -> None:
    right = {
        "backup": b"\n".join(BACKUP[version]),
        "snapshots": SNAPSHOTS[version],
        "check": SOUND[version],
        "ls": b"\n".join(ENTRIES[version]),
        "identity": json.dumps({"id": "a" * 64, "version": 2}).encode(),
    }[method]
    METHODS[method](replayed(folder, Said(right)), repository)
    status = data.draw(st.sampled_from([1, 3, 10, 11, 12, 130, -2, -9, -15]))
    with pytest.raises(SecvaultError):
        METHODS[method](replayed(folder, Said(right, data.draw(anything), status)), repository)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60))
def test_a_secret_that_restic_prints_is_cut_from_every_error(folder: Path, secret: str) -> None:
    repository = Repository(str(folder / "repository"), Secret.of(secret))
    for said in (f"Fatal: {secret}", json.dumps({"message_type": "exit_error", "message": secret})):
        with pytest.raises(SecvaultError) as caught:
            save(replayed(folder, Said(err=f"{said}\n".encode(), status=1)), repository)
        assert secret not in caught.value.detail
