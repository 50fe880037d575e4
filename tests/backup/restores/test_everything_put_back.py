"""Every kind of file put back to where it was, with both versions of restic, bit by bit."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from secvault.backup.restores.order import Existing, Order, Original
from secvault.backup.restores.parts import Goal, find_snapshot, looked_into
from secvault.backup.restores.restoring import Restored, restore
from secvault.backup.restores.target import Guarded
from secvault.backup.saving import ODD_LINKS
from secvault.config.backup_sources import FoldersSource
from tests.backup import every_kind
from tests.backup.small_vault import PLAN, SmallVault, small_vault

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]

SPECIAL = ("a*b", "a?b", "a[b]", "a\\b", "!a", "$HOME", "-x")


def put_back(vault: SmallVault, existing: Existing, *paths: Path) -> Restored:
    newest = find_snapshot(vault.engine, PLAN, "local", None)
    named = tuple(map(str, paths))
    sources = () if paths else ("tree",)
    order = Order(
        PLAN, newest.id, "local", Original(), sources=sources, paths=named, existing=existing
    )
    with looked_into(vault.engine, "work", order, Event()) as parts:
        return restore(
            vault.engine,
            "work",
            parts,
            Goal(Guarded((Path("/nowhere"),), frozenset())),
            on_phase=lambda _: None,
            on_progress=lambda _: None,
            cancel=Event(),
        )


def test_a_tree_comes_back_as_it_was_whole_in_part_and_over_what_it_became(
    tmp_path: Path, each_restic: str
) -> None:
    (tmp_path / "vault").mkdir()
    tree = every_kind.make(tmp_path / "tree")
    for name in SPECIAL:
        (tree / name).mkdir()
        (tree / name / "file").write_text(name)
    (tree / "axb").mkdir()
    with small_vault(tmp_path / "vault") as made:
        vault = made.planned(
            vault=False, folders=(), sources={"tree": FoldersSource(paths=(tree,))}
        )
        restic = vault.engine.restic
        if each_restic == "restic" and restic.version() < ODD_LINKS:
            (tree / "odd link").unlink()
        os.utime(tree, ns=(10**18, 10**18))
        other = replace(restic, command=replace(restic.command, binary=each_restic))
        vault = replace(vault, engine=replace(vault.engine, restic=other))
        before = every_kind.told(tree)
        vault.back_up()

        # Single folders by their exact names, with what lies in them alone.
        for name in (*SPECIAL, "axb"):
            shutil.rmtree(tree / name)
        done = put_back(vault, "refuse", *(tree / name for name in SPECIAL))
        assert done.tally.placed == len(SPECIAL)
        assert all((tree / name / "file").read_text() == name for name in SPECIAL)
        assert not (tree / "axb").exists()

        # All of it, over what it became.
        (tree / "-x" / "file").write_text("changed since")
        put_back(vault, "overwrite")
        assert every_kind.told(tree) == before

        # And where nothing is left.
        shutil.rmtree(tree)
        put_back(vault, "refuse")
        assert every_kind.told(tree) == before
