"""Patterns leave out the same things here and in restic, and only where they are meant to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from secvault.backup.excludes import Excludes, below, for_restic, literal
from secvault.backup.repository import Repository
from secvault.backup.restic import Restic, find_restic
from secvault.backup.walking import Place, Walk
from secvault.clock import system_clock

FILES = (
    "a.tmp",
    "b.txt",
    "x/a.tmp",
    "x/y/a.tmp",
    "x/y/keep.tmp",
    "x/y/z/b.txt",
    "y/b.txt",
    "cache/one",
    "deep/cache/two",
    "odd [1]/*.txt",
    "odd [1]/b.txt",
    "price $HOME/c",
    "lương/tháng 11.txt",
    "blank /d",
    "new\nline/e",
)
MALFORMED = r"has a bracket|has brackets|ends with"
PATTERNS: tuple[tuple[str, ...], ...] = (
    ("*.tmp",),
    ("*.tmp", "!keep.tmp"),
    ("x/*.tmp",),
    ("x/**/a.tmp",),
    ("x/**/y/**/b.txt",),
    ("**/y/b.txt",),
    ("x/**",),
    ("cache",),
    ("?.txt",),
    ("[a-b].t[^a-l]p",),
    (r"\*.txt",),
    (r"odd \[1\]",),
    ("lương/tháng *",),
    ("*/y",),
    ("y/z/",),
    ("./x/../y",),
)


@pytest.fixture
def trees(tmp_path: Path) -> list[Path]:
    """The same files once for each list of patterns."""
    roots = [tmp_path / "trees" / f"{number:02} $tree" for number in range(len(PATTERNS))]
    for root in roots:
        for name in FILES:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(b"")
    return roots


@pytest.fixture
def program(each_restic: str, tmp_path: Path) -> Restic:
    return find_restic(each_restic, tmp_path / "cache", tmp_path / "scratch", system_clock(), {})


def saved_by(
    restic: Restic, repository: Repository, roots: Sequence[Path], patterns: Sequence[str]
) -> set[str]:
    done = restic.backup(
        repository, roots, host="host", excludes=patterns, on_progress=lambda _: None
    )
    return {entry.path for entry in restic.ls(repository, done.snapshot_id)}


def listed_by(roots: Sequence[Path], patterns: Sequence[str]) -> set[str]:
    walk = Walk(Excludes(patterns), frozenset())
    return {path for root in roots for path, _ in walk.over(Place(root))}


@pytest.mark.real
def test_restic_leaves_out_what_the_listing_leaves_out_each_source_by_its_own_patterns(
    program: Restic, repository: Repository, trees: list[Path]
) -> None:
    patterns = [
        variant
        for root, given in zip(trees, PATTERNS, strict=True)
        for pattern in given
        for scoped in below(pattern, [root])
        for variant in for_restic(scoped)
    ]
    saved = saved_by(program, repository, trees, patterns)
    listed = listed_by(trees, patterns)

    within = {path for path in saved if any(Path(path).is_relative_to(root) for root in trees)}
    assert within == listed
    # A pattern of one tree has left alone all others.
    left = {root: sum(Path(path).is_relative_to(root) for path in listed) for root in trees}
    everything = len({*map(Path, FILES), *(up for name in FILES for up in Path(name).parents)})
    assert all(count < everything for count in left.values()), left
    assert left[trees[0]] == everything - 4
    assert left[trees[1]] == everything - 3


@pytest.mark.real
def test_many_patterns_reach_restic_whatever_characters_they_have(
    program: Restic, repository: Repository, trees: list[Path]
) -> None:
    root = trees[0]
    patterns = [literal(root / name) for name in FILES]
    patterns += [literal(root / f"none-{number}") for number in range(300)]
    saved = saved_by(program, repository, [root], patterns)

    assert not {str(root / name) for name in FILES} & saved
    assert {str(root / "blank "), str(root / "new\nline"), str(root / "price $HOME")} <= saved


def test_a_pattern_with_a_slash_in_front_is_of_a_path_of_its_source(tmp_path: Path) -> None:
    root = tmp_path / "a [b]"

    assert below(f"{root}/x/*.tmp", [root]) == (f"{tmp_path}/a \\[b\\]/x/*.tmp",)
    assert below(f"!{root}/x", [root]) == (f"!{tmp_path}/a \\[b\\]/x",)
    for elsewhere in ("/srv/other", str(tmp_path), str(root)):
        with pytest.raises(ValueError, match="none of the paths"):
            below(elsewhere, [root])


@pytest.mark.parametrize("pattern", ["[", "a[", "[]", "[-a]", "x\\", "[a-", "[^", "a/[b/c]", "[a"])
def test_a_malformed_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=MALFORMED):
        Excludes([pattern])
    with pytest.raises(ValueError, match=MALFORMED):
        for_restic(pattern)


def test_a_pattern_with_too_many_stars_in_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 4"):
        for_restic("/a/" + "/**/b" * 5)


def test_many_asterisks_are_judged_at_once() -> None:
    name = "a" * 255
    pattern = "*a" * 60
    assert Excludes([pattern]).match(f"/srv/{name}")
    assert not Excludes([f"{pattern}*b"]).match(f"/srv/{name}")
    assert not Excludes([f"*{pattern}?{'[a-z]*' * 60}b"]).match(f"/srv/{name}")
