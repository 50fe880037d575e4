from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.checkpoint import MAX_SIZE, Checkpoint, sign_checkpoint, verify_checkpoint
from secvault.crypto.merkle import EMPTY_ROOT, leaf_hash, root_of
from secvault.crypto.note import NoteSigner, NoteVerifier, sign_note
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput

ORIGIN = "vault.example.com/audit"
ROOT = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(scope="session")
def signer() -> NoteSigner:
    return NoteSigner(ORIGIN, Secret(bytes(range(32))))


def test_checkpoints_are_written_byte_for_byte_as_tessera_writes_them(
    vectors: Callable[[str], Any],
) -> None:
    published = vectors("checkpoints_tessera")
    origin = "example.com/log/testdata"
    key = base64.b64decode(published["private_key"].split("+", 4)[-1])
    signer = NoteSigner(origin, Secret(key[1:]))
    verifier = NoteVerifier.from_vkey(published["public_key"])
    leaves = [leaf_hash(entry.encode()) for entry in published["leaves"]]
    assert sorted(map(int, published["checkpoints"])) == [*range(16)]
    for size, note in published["checkpoints"].items():
        checkpoint = Checkpoint(origin, int(size), root_of(leaves[: int(size)]))
        assert sign_checkpoint(checkpoint, signer).decode() == note
        assert verify_checkpoint(note.encode(), [verifier], origin) == checkpoint


# Source: c2sp.org/tlog-checkpoint, the example of its introduction.
def test_the_example_of_the_specification_reads_back() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    checkpoint = Checkpoint.parse(text)

    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.format() == text


@given(
    origin=st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1),
    size=st.integers(1, MAX_SIZE),
    root=st.binary(min_size=32, max_size=32),
)
def test_a_checkpoint_reads_back(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root)

    assert Checkpoint.parse(checkpoint.format()) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"Log\n123\n{ROOT}",
        f"\n123\n{ROOT}\n",
        "Log\n123\n",
        f"Log\nbananas\n{ROOT}\n",
        f"Log\n-34\n{ROOT}\n",
        f"Log\n+34\n{ROOT}\n",
        f"Log\n034\n{ROOT}\n",
        f"Log\n00\n{ROOT}\n",
        f"Log\n 3\n{ROOT}\n",
        f"Log\n٣\n{ROOT}\n",
        f"Log\n3438945738945739845734895735\n{ROOT}\n",
        f"Log\n{MAX_SIZE + 1}\n{ROOT}\n",
        f"Log\n0\n{ROOT}\n",
        "Log\n123\nThisIsn'tBase64\n",
        "Log\n123\nYmFuYW5hcw==\n",
        f"Log\n123\n{ROOT[:-2]}9=\n",
        f"Log\n123\n{ROOT}\nextension\n",
        f"Log\n123\n{ROOT}\n\n",
        f"Log\r\n123\r\n{ROOT}\r\n",
        f"Log\n123\nư{ROOT}\n",
    ],
)
def test_text_that_is_not_a_checkpoint_is_damaged(text: str) -> None:
    with pytest.raises(Damaged, match="not a checkpoint"):
        Checkpoint.parse(text)


@given(text=st.text() | st.text("L09\n=" + ROOT, max_size=60))
def test_parsing_arbitrary_text_raises_nothing_but_damaged(text: str) -> None:
    try:
        checkpoint = Checkpoint.parse(text)
    except Damaged:
        return
    assert checkpoint.format() == text


@pytest.mark.parametrize(
    ("origin", "size", "root", "field"),
    [
        ("", 1, bytes(32), "origin"),
        ("a\nb", 1, bytes(32), "origin"),
        (ORIGIN, -1, bytes(32), "size"),
        (ORIGIN, MAX_SIZE + 1, bytes(32), "size"),
        (ORIGIN, 1, bytes(31), "root"),
        (ORIGIN, 0, bytes(32), "root"),
    ],
)
def test_a_checkpoint_that_cannot_be_is_refused(
    origin: str, size: int, root: bytes, field: str
) -> None:
    with pytest.raises(InvalidInput, match=field):
        Checkpoint(origin, size, root)


def test_a_checkpoint_with_any_bit_flipped_does_not_verify(
    signer: NoteSigner, every_bit_flip: Callable[[bytes], list[bytes]]
) -> None:
    for changed in every_bit_flip(sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), signer)):
        with pytest.raises(Damaged):
            verify_checkpoint(changed, [signer.verifier()], ORIGIN)


def test_a_genuine_checkpoint_of_another_log_does_not_verify(signer: NoteSigner) -> None:
    note = sign_checkpoint(Checkpoint("other.example.com/audit", 9, bytes(32)), signer)
    with pytest.raises(Damaged, match="another log"):
        verify_checkpoint(note, [signer.verifier()], ORIGIN)


def test_a_genuine_note_that_is_no_checkpoint_does_not_verify(signer: NoteSigner) -> None:
    with pytest.raises(Damaged, match="not a checkpoint"):
        verify_checkpoint(sign_note("hello\n", signer), [signer.verifier()], ORIGIN)


def test_a_checkpoint_verifies_with_the_old_key_and_the_new_while_keys_change(
    signer: NoteSigner,
) -> None:
    successor = NoteSigner(ORIGIN, Secret(bytes(32)))
    checkpoint = Checkpoint(ORIGIN, 5, bytes(32))
    note = sign_checkpoint(checkpoint, signer, successor)

    for known in (signer, successor):
        assert verify_checkpoint(note, [known.verifier()], ORIGIN) == checkpoint
