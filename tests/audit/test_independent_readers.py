"""What we sign and prove, checked by code that is not ours: Go's sumdb/note and sumdb/tlog
(golang.org/x/mod), and pymerkle.
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pymerkle
import pytest

from secvault.audit import AuditLog, Event
from secvault.audit.checkpoints import StoredCheckpoint, sign_head, stored_bodies
from secvault.audit.cosignatures import keep_cosignatures, published_note
from secvault.audit.nodes import keep_nodes
from secvault.audit.proofs import prove_consistency, prove_inclusion
from secvault.clock import Clock
from secvault.crypto.cosignature import WitnessSigner, cosignatures
from secvault.crypto.merkle import inclusion_proof, leaf_hash, root_of
from secvault.crypto.note import NoteSigner, take_apart
from secvault.crypto.secret import Secret
from secvault.store import Store
from tests.audit.conftest import ORIGIN
from tests.conftest import GoCompiler

Signed = tuple[Store, list[StoredCheckpoint]]
SIZES = (1, 2, 3, 7, 8, 255, 256, 257, 300)
WITNESSES = [WitnessSigner(f"w{at}.example.com", Secret(bytes([at]) * 32)) for at in (1, 2)]


@pytest.fixture
def signed(
    log: AuditLog,
    any_store: Store,
    stepping: Clock,
    signer: NoteSigner,
    reading: Callable[[int], Event],
) -> Signed:
    """A log with a checkpoint of each of the sizes."""
    made = []
    for start, end in pairwise((0, *SIZES)):
        log.record_many(map(reading, range(start, end)))
        made.append(sign_head(any_store, stepping, signer, origin=ORIGIN))
    keep_nodes(any_store)
    return any_store, made


@pytest.fixture(scope="session")
def checker(go: GoCompiler, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Go's word on a proof or a note."""
    built = tmp_path_factory.mktemp("go") / "independent"
    go.build(Path(__file__).parent / "independent" / "main.go", built)
    return built


def run(checker: Path, what: str, key: str, rest: Sequence[object]) -> tuple[int, str]:
    command = [str(checker), what, key, *map(str, rest)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.real
def test_go_checks_our_inclusion_proofs(
    signed: Signed, signer: NoteSigner, checker: Path, tmp_path: Path
) -> None:
    store, checkpoints = signed
    files: list[Path] = []
    with store.read() as connection:
        for checkpoint in checkpoints:
            for seq in sorted({0, checkpoint.size // 2, checkpoint.size - 1}):
                proof = prove_inclusion(connection, checkpoint, seq)
                at = tmp_path / f"{checkpoint.size}-{seq}"
                at.with_suffix(".tlog-proof").write_text(proof.format(), "utf-8")
                at.with_suffix(".entry").write_bytes(proof.entry)
                files += [at.with_suffix(".tlog-proof"), at.with_suffix(".entry")]
    vkey = signer.verifier().vkey
    assert run(checker, "inclusion", vkey, files) == (0, f"{len(files) // 2}\n")
    # Of another entry, each is none.
    assert run(checker, "inclusion", vkey, [files[-2], files[1]])[0] == 1


@pytest.mark.real
def test_go_checks_our_consistency_proofs(
    signed: Signed, signer: NoteSigner, checker: Path, tmp_path: Path
) -> None:
    store, checkpoints = signed
    files: list[Path] = []
    with store.read() as connection:
        for at, new in enumerate(checkpoints):
            (tmp_path / f"{new.size}.note").write_bytes(new.note)
            for old in checkpoints[: at + 1]:
                proof = prove_consistency(connection, old, new)
                hashes = tmp_path / f"{old.size}-{new.size}"
                hashes.write_text("\n".join(base64.b64encode(one).decode() for one in proof.hashes))
                notes = [tmp_path / f"{one.size}.note" for one in (old, new)]
                files += [*notes, hashes]
    vkey = signer.verifier().vkey
    assert run(checker, "consistency", vkey, files) == (0, f"{len(files) // 3}\n")
    assert run(checker, "consistency", vkey, [*files[-6:-4], files[-1]])[0] == 1


@pytest.mark.real
def test_go_reads_a_checkpoint_that_witnesses_cosigned(
    signed: Signed, signer: NoteSigner, checker: Path, tmp_path: Path
) -> None:
    store, checkpoints = signed
    newest = checkpoints[-1]
    text = take_apart(newest.note)[0]
    with store.write() as connection:
        for at, witness in enumerate(WITNESSES):
            lines = witness.cosign(text, 1_790_000_000 + at).format().encode()
            found = cosignatures(newest.note + lines, [witness.verifier()])
            keep_cosignatures(connection, newest.size, f"w{at}", found)
    note = tmp_path / "cosigned.note"
    note.write_bytes(published_note(store, newest))
    keys = [one.verifier().vkey for one in WITNESSES]
    vkey = signer.verifier().vkey
    assert run(checker, "cosigned", vkey, [*keys, "--", note]) == (
        0,
        "w1.example.com 1790000000\nw2.example.com 1790000001\n",
    )
    # Whoever knows no witness reads it all the same.
    assert run(checker, "cosigned", vkey, ["--", note]) == (0, "")
    bare = tmp_path / "bare.note"
    bare.write_bytes(newest.note)
    assert run(checker, "cosigned", vkey, [*keys, "--", bare])[0] == 1
    later = note.read_bytes().replace(b"300\n", b"301\n", 1)
    bare.write_bytes(later)
    assert run(checker, "cosigned", vkey, [*keys, "--", bare])[0] == 1


def test_pymerkle_grows_the_same_tree_and_accepts_our_proofs(signed: Signed) -> None:
    store, checkpoints = signed
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    with store.read() as connection:
        entries = list(stored_bodies(connection, 0, SIZES[-1]))
        for entry in entries:
            tree.append_entry(entry)
        for at, new in enumerate(checkpoints):
            assert tree.get_root(new.size) == new.root
            for seq in sorted({0, new.size // 2, new.size - 1}):
                ours = prove_inclusion(connection, new, seq)
                theirs = tree.prove_inclusion(seq + 1, new.size)
                # Theirs begins with the leaf.
                assert theirs.path == [leaf_hash(entries[seq]), *ours.hashes]
                pymerkle.verify_inclusion(
                    leaf_hash(ours.entry), new.root, theirs, index=seq + 1, size=new.size
                )
            for old in checkpoints[:at]:
                grown = tree.prove_consistency(old.size, new.size)
                pymerkle.verify_consistency(
                    old.root, new.root, grown, prior_size=old.size, later_size=new.size
                )
                with pytest.raises(pymerkle.InvalidProof):
                    pymerkle.verify_consistency(new.root, new.root, grown)


def test_pymerkle_has_the_same_root_and_inclusion_proofs_of_every_tree_up_to_130() -> None:
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    leaves: list[bytes] = []
    for size in range(1, 131):
        entry = bytes([size - 1])
        tree.append_entry(entry)
        leaves.append(leaf_hash(entry))
        assert tree.get_root(size) == root_of(leaves)
        for index in range(size):
            path = tree.prove_inclusion(index + 1, size).path
            assert path == [leaves[index], *inclusion_proof(leaves, index)]
