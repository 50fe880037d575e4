"""Proofs, tiles and exports of the log, and what they say of one that was tampered with."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from secvault.audit import AuditLog, Event, verify_export
from secvault.audit.checkpoints import StoredCheckpoint, sign_head, stored_bodies
from secvault.audit.export import export, tile_bytes
from secvault.audit.nodes import hashes, keep_nodes
from secvault.audit.proofs import (
    checkpoint_of_size,
    parse_inclusion,
    prove_consistency,
    prove_inclusion,
    prove_stretch,
)
from secvault.clock import Clock
from secvault.crypto.checkpoint import Checkpoint, sign_checkpoint
from secvault.crypto.merkle import leaf_hash, root_of
from secvault.crypto.note import NoteSigner
from secvault.crypto.range_proof import verify_range
from secvault.crypto.secret import Secret
from secvault.crypto.tiles import WIDTH, Tile, tiles_of
from secvault.errors import Damaged, InvalidInput, NotFound
from secvault.store import Store
from secvault.store.tables import audit_node
from tests.audit.conftest import ORIGIN
from tests.audit.tampering import change, forge, intrusion
from tests.conftest import GoCompiler

Reading = Callable[[int], Event]
EVENTS = 700
INDEPENDENT = Path(__file__).parent / "independent" / "main.go"
Filled = tuple[Store, StoredCheckpoint, StoredCheckpoint]


@pytest.fixture
def filled(
    log: AuditLog, any_store: Store, stepping: Clock, signer: NoteSigner, reading: Reading
) -> Filled:
    """A log of 700 events with a checkpoint of 300 and one of all."""
    log.record_many(map(reading, range(300)))
    early = sign_head(any_store, stepping, signer, origin=ORIGIN)
    log.record_many(map(reading, range(300, EVENTS)))
    return any_store, early, sign_head(any_store, stepping, signer, origin=ORIGIN)


def leaves_of(store: Store, start: int = 0, end: int = EVENTS) -> list[bytes]:
    with store.read() as connection:
        return [leaf_hash(bytes(each)) for each in stored_bodies(connection, start, end)]


def test_every_event_is_proven_with_kept_nodes_and_without(
    filled: Filled, signer: NoteSigner
) -> None:
    store, early, late = filled
    for kept in (0, 2):
        assert keep_nodes(store) == kept if kept else True
        with store.read() as connection:
            for seq in (0, 1, 255, 256, 299, 511, 512, EVENTS - 1):
                found = prove_inclusion(connection, late, seq)
                assert found.check([signer.verifier()], ORIGIN).size == EVENTS
                assert parse_inclusion(found.format(), found.entry) == found
            grown = prove_consistency(connection, early, late)
            sizes = [one.size for one in grown.check([signer.verifier()], ORIGIN)]
            assert sizes == [300, EVENTS]
    assert keep_nodes(store) == 0


def test_nodes_are_the_hashes_of_the_leaves_below_them(filled: Filled) -> None:
    store, _, _ = filled
    leaves = leaves_of(store)
    keep_nodes(store)
    with store.read() as connection:
        stored = connection.execute(select(audit_node).order_by(audit_node.c.n)).all()
        assert [(row.level, row.n) for row in stored] == [(1, 0), (1, 1)]
        assert hashes(connection, 1, 0, 2) == [
            root_of(leaves[:WIDTH]),
            root_of(leaves[WIDTH : 2 * WIDTH]),
        ]


def test_an_event_that_no_checkpoint_reaches_has_no_proof(filled: Filled) -> None:
    store, early, _ = filled
    with store.read() as connection:
        with pytest.raises(NotFound):
            prove_inclusion(connection, early, 300)
        with pytest.raises(NotFound):
            checkpoint_of_size(connection, 299)
        assert checkpoint_of_size(connection, 300) == early


def test_a_log_that_was_changed_gives_no_proof(filled: Filled) -> None:
    store, early, late = filled
    keep_nodes(store)
    with intrusion(store) as connection:
        change(connection, 7, body=b'{"v":1}')
        change(connection, 300, leaf_hash=leaf_hash(b"another"))
    with store.read() as connection:
        for seq in (7, 301):
            with pytest.raises(Damaged):
                prove_inclusion(connection, late, seq)
    with store.write() as connection:
        connection.execute(audit_node.update().values(hash=leaf_hash(b"a false node")))
    with store.read() as connection, pytest.raises(Damaged):
        prove_consistency(connection, early, late)


def test_a_stretch_is_all_there_was_and_a_thousand_omissions_are_noticed(filled: Filled) -> None:
    store, _, late = filled
    keep_nodes(store)
    leaves = leaves_of(store)
    chosen = random.Random(7)
    with store.read() as connection:
        for _ in range(1_000):
            start = chosen.randrange(EVENTS - 1)
            end = min(EVENTS, start + 2 + chosen.randrange(40))
            stretch = prove_stretch(connection, late, start, end)
            assert [*stretch.leaves] == leaves[start:end]
            left_out = chosen.randrange(start, end)
            kept = [*leaves[start:left_out], *leaves[left_out + 1 : end]]
            with pytest.raises(Damaged):
                verify_range(kept, start, late.size, stretch.hashes, late.root)


def test_a_stretch_that_is_empty_too_long_or_beyond_the_checkpoint_is_none(filled: Filled) -> None:
    store, _, late = filled
    with store.read() as connection:
        for start, end in ((5, 5), (6, 5), (0, EVENTS + 1), (EVENTS, EVENTS + 1)):
            with pytest.raises(InvalidInput):
                prove_stretch(connection, late, start, end)


@pytest.mark.parametrize("text", ["", "c2sp.org/tlog-proof@v1\nindex x\n\n", "x\nindex 1\n\nnote"])
def test_a_text_that_is_no_proof_is_said_so(text: str) -> None:
    with pytest.raises(Damaged):
        parse_inclusion(text, b"{}")


def exported(filled: Filled, signer: NoteSigner, folder: Path) -> Path:
    store, _, late = filled
    export(store, late, folder, [signer.verifier()])
    return folder


def verdict(folder: Path, signer: NoteSigner, *earlier: StoredCheckpoint) -> dict[str, Any]:
    vkey = signer.verifier().vkey
    return verify_export.verify(folder, vkey, [each.note for each in earlier])


def test_an_export_is_whole_by_the_key_and_earlier_checkpoints_alone(
    filled: Filled, signer: NoteSigner, tmp_path: Path
) -> None:
    folder = exported(filled, signer, tmp_path / "log")
    found = verdict(folder, signer, filled[1])
    assert (found["intact"], found["complete"], found["entries"]) == (True, True, EVENTS)
    assert found["problems"] == found["notes"] == []
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert files == {"checkpoint", *(tile.path for tile in tiles_of(EVENTS))}


def test_the_file_for_auditors_needs_nothing_but_python(
    filled: Filled, signer: NoteSigner, tmp_path: Path
) -> None:
    folder = exported(filled, signer, tmp_path / "log")
    script = tmp_path / "verify_export.py"
    shutil.copy(verify_export.__file__, script)
    early = tmp_path / "early.note"
    early.write_bytes(filled[1].note)
    command = [sys.executable, "-I", "-S", str(script), str(folder)]
    command += ["--key", signer.verifier().vkey, "--earlier", str(early)]
    said = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    assert "entries: 700" in said.stdout
    (folder / Tile(None, 1).path).write_bytes(b"\x00\x01x")
    said = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert said.returncode == 5
    assert "unchanged: NO" in said.stdout


def test_an_export_is_completed_when_the_log_has_grown(
    filled: Filled,
    log: AuditLog,
    stepping: Clock,
    signer: NoteSigner,
    reading: Reading,
    tmp_path: Path,
) -> None:
    store, early, late = filled
    folder = tmp_path / "log"
    export(store, early, folder, [signer.verifier()])
    first = (folder / Tile(None, 0).path).stat().st_mtime_ns
    export(store, late, folder, [signer.verifier()])
    assert (folder / Tile(None, 0).path).stat().st_mtime_ns == first
    assert verdict(folder, signer, early)["intact"]
    with pytest.raises(InvalidInput, match="later export"):
        export(store, early, folder, [signer.verifier()])


def test_an_export_spoils_no_folder_that_holds_something_else(
    filled: Filled, signer: NoteSigner, tmp_path: Path
) -> None:
    store, _, late = filled
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(InvalidInput):
        export(store, late, tmp_path, [signer.verifier()])
    other = NoteSigner("other.example.com/audit", Secret(bytes(32)))
    exported(filled, signer, tmp_path / "log")
    with pytest.raises(InvalidInput, match="another log"):
        export(store, late, tmp_path / "log", [other.verifier()])
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput):
        export(store, late, tmp_path / "file", [signer.verifier()])


def test_any_change_of_any_file_of_an_export_is_noticed(
    filled: Filled, signer: NoteSigner, tmp_path: Path
) -> None:
    folder = exported(filled, signer, tmp_path / "log")
    chosen = random.Random(11)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    for _ in range(60):
        file = chosen.choice(files)
        before = file.read_bytes()
        at = chosen.randrange(len(before))
        kind = chosen.choice(("flip", "cut", "remove"))
        if kind == "flip":
            flipped = before[at] ^ 1 << chosen.randrange(8)
            file.write_bytes(before[:at] + bytes([flipped]) + before[at + 1 :])
        elif kind == "cut":
            file.write_bytes(before[:at])
        else:
            file.unlink()
        found = verdict(folder, signer)
        assert not found["intact"], (file, kind, at)
        assert found["problems"]
        file.write_bytes(before)
    assert verdict(folder, signer)["intact"]


def test_a_log_rewritten_with_its_own_key_contradicts_the_earlier_checkpoint(
    filled: Filled, signer: NoteSigner, stepping: Clock, tmp_path: Path
) -> None:
    store, early, late = filled
    with store.read() as connection:
        entry = prove_inclusion(connection, late, 40).entry
    with intrusion(store) as connection:
        forge(connection, 40, entry.replace(b"user", b"svc", 1))
    leaves = leaves_of(store)
    note = sign_checkpoint(Checkpoint(ORIGIN, EVENTS, root_of(leaves)), signer)
    folder = tmp_path / "log"
    export(store, StoredCheckpoint(EVENTS, root_of(leaves), note, 0), folder, [signer.verifier()])
    assert verdict(folder, signer)["intact"]
    assert not verdict(folder, signer, early)["intact"]


def test_a_log_that_was_cut_contradicts_a_later_checkpoint(
    filled: Filled, signer: NoteSigner, tmp_path: Path
) -> None:
    store, early, late = filled
    export(store, early, tmp_path / "log", [signer.verifier()])
    found = verdict(tmp_path / "log", signer, late)
    assert not found["intact"]
    assert "removed" in found["problems"][0]


def test_events_that_are_missing_are_no_tile(filled: Filled) -> None:
    store, _, _ = filled
    with store.read() as connection, pytest.raises(Damaged):
        tile_bytes(connection, Tile(None, 2, 256))


@pytest.fixture(scope="session")
def reader_in_go(go: GoCompiler, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader of transparency logs that is not ours: Go's sumdb/note and sumdb/tlog."""
    built = tmp_path_factory.mktemp("go") / "independent"
    go.build(INDEPENDENT, built)
    return built


@pytest.mark.real
def test_go_reads_the_export_and_finds_every_event_and_the_growth_proven(
    filled: Filled, signer: NoteSigner, reader_in_go: Path, tmp_path: Path
) -> None:
    folder, early = exported(filled, signer, tmp_path / "log"), tmp_path / "early.note"
    early.write_bytes(filled[1].note)
    command = [str(reader_in_go), str(folder), signer.verifier().vkey, str(early)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (0, f"{EVENTS}\n"), said.stderr
    entries = folder / Tile(None, 1).path
    content = bytearray(entries.read_bytes())
    content[40] ^= 1
    entries.write_bytes(content)
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
