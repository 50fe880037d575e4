"""Folders, saved by runs with both versions of restic and restored bit by bit."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from secvault.backup import holes, manifest, run
from secvault.backup.engine import BackupEngine
from secvault.backup.manifest import Comparison
from secvault.backup.plan_rules import Openings
from secvault.backup.repository_faults import SourceUnreadable
from secvault.backup.saving import ODD_LINKS
from secvault.config import RepositorySettings
from secvault.config.backup_sources import FoldersSource
from secvault.errors import ConfigurationError
from tests.backup import every_kind
from tests.backup.small_vault import PLAN, Repositories, SmallVault, small_vault
from tests.backup.test_manifest import NOWHERE, listed

Told = dict[str, dict[str, Any]]

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[SmallVault]:
    (tmp_path / "vault").mkdir()
    with small_vault(tmp_path / "vault") as made:
        yield made.planned(vault=False, folders=())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return every_kind.make(tmp_path / "tree")


def with_program(vault: SmallVault, program: str, **changed: Any) -> SmallVault:
    restic = vault.engine.restic
    command = replace(restic.command, binary=program)
    changed["restic"] = replace(restic, command=command)
    return replace(vault, engine=replace(vault.engine, **changed))


def restored(engine: BackupEngine, target: Path) -> Comparison:
    """What the newest snapshot came to, below `target`."""
    newest = run.newest_snapshot(engine, PLAN)
    repository = engine.opened_repository("local")
    engine.restic.restore(repository, newest.id, target, verify=True, on_progress=lambda _: None)
    staged = run.staged_in(target, newest, PLAN)
    holes.dig(manifest.entries(manifest.read(staged / manifest.NAME), staged), target, os.environ)
    return run.compare_restored(engine, PLAN, newest, target)


def below(target: Path, path: Path) -> Path:
    return target / str(path).lstrip("/")


def differing(before: Told, after: Told) -> list[str]:
    """In what they differ, a short line each."""
    return [
        f"{name}: {before.get(name)} became {after.get(name)}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


@pytest.mark.parametrize("into", ["a folder", "a bucket"])
def test_everything_that_a_file_system_holds_comes_back_as_it_was(
    vault: SmallVault,
    tree: Path,
    tmp_path: Path,
    each_restic: str,
    into: str,
    request: pytest.FixtureRequest,
) -> None:
    declared = {}
    if into == "a bucket":
        server = request.getfixturevalue("s3_server")
        declared["local"] = RepositorySettings(
            location=f"s3:{server.endpoint}/{server.new_bucket()}/backups",
            access_key_id=server.access_key,
            secret_access_key=server.secret_key,
        )
    if each_restic == "restic" and vault.engine.restic.version() < ODD_LINKS:
        with pytest.raises(SourceUnreadable, match="not UTF-8"):
            vault.planned(sources={"tree": FoldersSource(paths=(tree,))}).back_up("refused")
        (tree / "odd link").unlink()
        os.utime(tree, ns=(-1, -1))
    repositories = Repositories(vault.folder, declared)
    saving = with_program(
        vault.planned(sources={"tree": FoldersSource(paths=(tree,))}),
        each_restic,
        repositories=repositories.at_hand(vault.engine.store),
    )
    before = every_kind.told(tree)
    saving.back_up()
    compared = restored(saving.engine, tmp_path / "target")

    assert differing(before, every_kind.told(below(tmp_path / "target", tree))) == []
    assert compared.whole, compared.first_fault
    assert (compared.changed_meanwhile, compared.filled) == ((), 0)
    # Each path of the tree, and the folder that the source has in the staged copy.
    assert compared.entries == len(before) + 2


def test_a_second_run_reads_no_file_again_and_lists_what_changed_anew(
    vault: SmallVault, tree: Path, tmp_path: Path, each_restic: str
) -> None:
    saving = with_program(
        vault.planned(sources={"tree": FoldersSource(paths=(tree,))}), each_restic
    )
    (tree / "odd link").unlink()
    saving.back_up("run-1")
    earlier = saving.engine.kept / PLAN / "listed.jsonl"
    # As if all had been as it is for a while.
    late = earlier.stat().st_mtime_ns + 10_000_000_000
    marked = earlier.read_bytes().replace(b'"blake3":"', b'"blake3":"taken over ')
    earlier.write_bytes(marked)
    os.utime(earlier, ns=(late, late))
    (tree / "plain.txt").write_bytes(b"other")
    (tree / "deep/er/new.txt").write_bytes(b"new")
    (tree / "empty.txt").unlink()
    saving.back_up("run-2")
    lines = earlier.read_bytes().splitlines()

    taken_over = [line for line in lines if b"taken over" in line]
    read = [line for line in lines if b'"blake3":"' in line and line not in taken_over]
    assert len(taken_over) == len([line for line in marked.splitlines() if b"taken" in line]) - 2
    assert sorted(line.split(b'"')[3].split(b"/")[-1] for line in read) == [
        b"new.txt",
        b"plain.txt",
    ]
    assert not any(b"empty.txt" in line for line in lines)


def test_rules_of_one_source_leave_the_other_alone(
    vault: SmallVault, tmp_path: Path, each_restic: str
) -> None:
    ones, others = tmp_path / "ones", tmp_path / "others"
    for folder in (ones, others):
        for name, content in {
            "a.tmp": b"a",
            "large.bin": b"x" * 5000,
            "cache/CACHEDIR.TAG": b"Signature: 8a477f597d28d172789f06886806bc55\n",
            "cache/deep/content": b"c",
            "kept.txt": b"k",
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    strict = FoldersSource(
        paths=(ones,), excludes=("*.tmp",), exclude_caches=True, exclude_larger_than=4000
    )
    saving = with_program(
        vault.planned(sources={"ones": strict, "others": FoldersSource(paths=(others,))}),
        each_restic,
    )
    saving.back_up()
    compared = restored(saving.engine, tmp_path / "target")

    assert compared.whole, compared.first_fault
    assert sorted(every_kind.told(below(tmp_path / "target", ones))) == [
        *(".", "cache", "cache/CACHEDIR.TAG", "kept.txt")
    ]
    assert every_kind.told(below(tmp_path / "target", others)) == every_kind.told(others)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
def test_another_file_system_is_left_out_where_the_source_says_so(
    vault: SmallVault, tmp_path: Path
) -> None:
    sources = {
        "machine": FoldersSource(
            paths=(Path("/dev"),), one_file_system=True, excludes=("/dev/core",)
        )
    }
    if not os.path.ismount("/dev/shm"):
        pytest.fail("this machine has no other file system below /dev")
    mine = Path("/dev/shm") / f"secvault-{os.getpid()}"
    mine.write_bytes(b"elsewhere")
    try:
        vault.planned(sources=sources).back_up()
        compared = restored(vault.planned(sources=sources).engine, tmp_path / "target")
    finally:
        mine.unlink()

    assert compared.whole, compared.first_fault
    assert list((tmp_path / "target/dev/shm").iterdir()) == []
    assert stat.S_ISCHR((tmp_path / "target/dev/null").lstat().st_mode)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda tree: (tree / "plain.txt").chmod(0o600), "mode 0600, was 0640"),
        (lambda tree: os.utime(tree / "plain.txt", ns=(1, 1)), "modified at 1 ns"),
        (lambda tree: os.utime(tree / "deep", ns=(1, 1)), "deep (modified at 1 ns"),
        (lambda tree: os.removexattr(tree / "deep", "user.binary"), "user.binary differs"),
        (lambda tree: os.setxattr(tree / "plain.txt", "user.b", b""), "user.b differs"),
        (lambda tree: os.chown(tree / "plain.txt", 7, 7), "owner 7:7, was 0:0"),
        (lambda tree: shutil.rmtree(tree / "empty"), "/empty"),
        (lambda tree: (tree / "dangling").unlink(), "/dangling"),
        (lambda tree: (tree / "pipe").unlink(), "/pipe"),
        (
            lambda tree: (
                (tree / "one name").unlink(),
                (tree / "one name").write_bytes(b"several names"),
            ),
            "not another name of the same file",
        ),
        (
            lambda tree: ((tree / "link").unlink(), (tree / "link").symlink_to("empty.txt")),
            "leads to empty.txt, was plain.txt",
        ),
        (lambda tree: ((tree / "pipe").unlink(), (tree / "pipe").touch()), "/pipe"),
    ],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
def test_whatever_is_not_as_it_was_is_found(
    tree: Path, tmp_path: Path, harm: Any, words: str
) -> None:
    made = listed(tmp_path, tree)
    harm(tree)
    compared = manifest.compare(made, Path("/"), NOWHERE)

    assert not compared.whole
    found = [*compared.missing, *compared.different, *map(str, compared.altered)]
    assert any(words in one for one in found), found


def test_what_is_kept_goes_with_its_plan_and_its_source(vault: SmallVault, tree: Path) -> None:
    kept, scratch = vault.engine.kept, vault.engine.scratch
    # Of processes that were killed as they asked a server.
    for name in ("source-removed@erp", f"source-{PLAN}@removed"):
        (scratch / name).mkdir(parents=True)
        (scratch / name / "options.cnf").write_text("password")
    for gone in (kept / "removed", kept / PLAN / "sources" / "removed"):
        gone.mkdir(parents=True)
        (gone / "content").write_bytes(b"of a bucket")
    mine = kept / PLAN / "sources" / "tree"
    mine.mkdir()
    (tree / "odd link").unlink()
    vault.planned(sources={"tree": FoldersSource(paths=(tree,))}).back_up()

    assert sorted(one.name for one in kept.iterdir()) == [PLAN]
    assert [one.name for one in (kept / PLAN / "sources").iterdir()] == ["tree"]
    assert (kept / PLAN / "listed.jsonl").stat().st_size > 0
    assert not [one for one in scratch.iterdir() if one.name.startswith("source-")]


@pytest.mark.parametrize("way", ["inside", "above", "a second name", "the repository"])
def test_secvaults_own_files_slip_into_no_source(
    vault: SmallVault, tmp_path: Path, way: str
) -> None:
    key = vault.folder / "keys" / "seal.key"
    key.parent.mkdir()
    key.write_bytes(b"opens everything")
    taken = tmp_path / "taken"
    taken.mkdir()
    paths = {"inside": key, "above": vault.folder, "a second name": taken, "the repository": taken}
    vault = replace(vault, engine=replace(vault.engine, openings=Openings(closed=(key,))))
    if way == "a second name":
        (taken / "innocent.txt").hardlink_to(key)
    if way == "the repository":
        location = RepositorySettings(location=str(taken / "backups"))
        repositories = Repositories(vault.folder, {"local": location})
        at_hand = repositories.at_hand(vault.engine.store)
        vault = replace(vault, engine=replace(vault.engine, repositories=at_hand))
    source = FoldersSource(paths=(paths[way],))

    with pytest.raises(ConfigurationError, match="secvault's own data folder"):
        vault.planned(sources={"taken": source}).back_up()


def test_what_a_source_leaves_out_by_its_full_path_is_not_in_its_way(
    vault: SmallVault, tmp_path: Path
) -> None:
    source = FoldersSource(
        paths=(vault.folder,),
        excludes=tuple(
            str(vault.folder / name) for name in ("data", "repository*", "secvault.db*")
        ),
    )
    saving = vault.planned(sources={"all": source})
    saving.back_up()
    compared = restored(saving.engine, tmp_path / "target")

    assert compared.whole, compared.first_fault
    found = below(tmp_path / "target", vault.folder)
    assert sorted(one.name for one in found.iterdir()) == [
        *("data", "documents", "policies", "seal.key")
    ]
    # The copy that the run made, and nothing else of the data folder.
    assert [one.name for one in (found / "data/scratch").iterdir()] == [f"staging-{PLAN}"]
    assert [one.name for one in (found / "data").iterdir()] == ["scratch"]


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ({"a": ("tree",), "b": ("tree/deep",)}, "lies in"),
        ({"a": ("tree/link",)}, "neither a folder nor a file"),
        ({"a": ("tree/pipe",)}, "neither a folder nor a file"),
    ],
)
def test_sources_that_cannot_be_told_apart_or_saved_whole_are_refused(
    vault: SmallVault, tree: Path, sources: dict[str, tuple[str, ...]], words: str
) -> None:
    named = {
        name: FoldersSource(paths=tuple(tree.parent / path for path in paths))
        for name, paths in sources.items()
    }
    with pytest.raises(ConfigurationError, match=words):
        vault.planned(sources=named).back_up()
