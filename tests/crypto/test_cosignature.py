from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.checkpoint import Checkpoint, head_of, sign_checkpoint
from secvault.crypto.cosignature import WitnessSigner, WitnessVerifier, cosignatures
from secvault.crypto.merkle import leaf_hash
from secvault.crypto.note import NoteSigner, open_note, take_apart
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput

ORIGIN = "vault.example.com/audit"
TIME = 1_790_000_000

# Source: transparency-dev/formats, note/note_cosigv1_test.go.
NATIVE_KEY = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
TIMED = (
    "ZGhGuQAAAABm/qTPeyKXD+R2rzyQsxPiP8mXum7qq/iF0u4vanlqJyocWODBt97w9uL+8qT7S5gxEHWWOworDcFiEBYJ"
    "XORmnFBOBA=="
)
UNTIMED = (
    "eQjRQm6eSKzFoiYalgwCPXu2y3ijtg68is9M46JKxuZB+dRfTmeQeDBoXnvxZx2ugnkyV+MUMLXpWs1hPb/W/4xkNQY="
)

# Source: c2sp.org/tlog-cosignature, the example of its introduction.
EXAMPLE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q"
    "1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2"
    "oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)


@pytest.fixture(scope="session")
def log() -> NoteSigner:
    return NoteSigner(ORIGIN, Secret(bytes(range(32))))


@pytest.fixture(scope="session")
def witness() -> WitnessSigner:
    return WitnessSigner("witness.example.com/w1", Secret(bytes(range(32, 64))))


@pytest.fixture(scope="session")
def note(log: NoteSigner) -> bytes:
    return sign_checkpoint(Checkpoint(ORIGIN, 1, leaf_hash(b"one")), log)


def cosigned(note: bytes, witness: WitnessSigner, time: int = TIME) -> bytes:
    return note + witness.cosign(take_apart(note)[0], time).format().encode()


def test_a_cosignature_has_its_golden_bytes(note: bytes, witness: WitnessSigner) -> None:
    line = cosigned(note, witness).removeprefix(note).decode()
    assert line == (
        "— witness.example.com/w1 lpmAzwAAAABqsTuAWSoII41WYJ0pP/cxuDWQ1gXK+DOGyXgRWRW27Pz3KSU+"
        "Ke3m9i5Rto+pKGpxfHKjPNlb29Il+tSNKA+/+hCcDw==\n"
    )
    assert (
        witness.verifier().vkey
        == "witness.example.com/w1+969980cf+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X"
    )


def test_what_was_cosigned_verifies_for_log_and_witness(
    note: bytes, log: NoteSigner, witness: WitnessSigner
) -> None:
    both = cosigned(note, witness)
    text = take_apart(note)[0]
    assert open_note(both, [log.verifier()]) == text
    assert open_note(both, [witness.verifier()]) == text
    (found,) = cosignatures(both, [witness.verifier()])
    assert (found.witness, found.time) == (witness.verifier(), TIME)
    assert found.line.format().encode() == both.removeprefix(note)
    assert cosignatures(note, [witness.verifier()]) == ()


def test_a_key_reads_back_and_every_change_of_it_is_refused(witness: WitnessSigner) -> None:
    text = witness.to_text()
    assert WitnessSigner.from_text(text) == witness
    for at in range(len(text)):
        changed = text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :]
        for other in (changed, text[:at], text[at + 1 :]):
            with pytest.raises(InvalidInput) as refused:
                WitnessSigner.from_text(other)
            assert text[-20:] not in refused.value.detail
    assert text[-20:] not in repr(witness)


def test_published_keys_and_signatures_read_as_they_are() -> None:
    verifier = WitnessVerifier.from_vkey(NATIVE_KEY)
    assert verifier.vkey == NATIVE_KEY
    assert verifier.time_of(base64.b64decode(TIMED)[4:]) == 1727964367
    assert verifier.time_of(base64.b64decode(UNTIMED)[4:]) is None
    text, (_, line) = take_apart(EXAMPLE.encode())
    assert head_of(text).size == 20852163
    assert line.name == "witness.example.com/w1"
    assert verifier.time_of(line.blob) == 1679315147


def test_the_key_of_a_log_is_none_of_a_witness(log: NoteSigner) -> None:
    with pytest.raises(InvalidInput, match="log"):
        WitnessVerifier.from_vkey(log.verifier().vkey)


def test_one_seed_gives_a_log_and_a_witness_different_ids(log: NoteSigner) -> None:
    same = WitnessSigner(log.name, log.seed)
    assert same.verifier().key_id != log.verifier().key_id


def test_any_bit_flipped_opens_for_nobody_or_says_the_same(
    note: bytes, witness: WitnessSigner, every_bit_flip: Callable[[bytes], list[bytes]]
) -> None:
    for changed in every_bit_flip(cosigned(note, witness)):
        try:
            found = cosignatures(changed, [witness.verifier()])
        except Damaged:
            continue
        # The log's own line, and the name and id of ours, are not what the witness vouches for.
        assert not found or take_apart(changed)[0] == take_apart(note)[0]


def test_a_cosignature_covers_the_time_and_the_extension_lines(witness: WitnessSigner) -> None:
    text = f"{ORIGIN}\n123\nf+7CoKgXKE/tNys9TTXcr/ad6U/K3xvznmzew9y6SP0=\nExtendo\n"
    line = witness.cosign(text, TIME)
    verifier = witness.verifier()
    assert verifier.verify(text, line.blob)
    assert not verifier.verify(text.replace("Extendo", "Extend@"), line.blob)
    later = (TIME + 1).to_bytes(8, "big") + line.blob[8:]
    assert not verifier.verify(text, later)
    assert head_of(text) == Checkpoint.parse(text.replace("Extendo\n", ""))


@pytest.mark.parametrize("time", [0, -1, 2**63])
def test_a_time_that_cannot_be_is_not_signed(witness: WitnessSigner, time: int) -> None:
    with pytest.raises(InvalidInput):
        witness.cosign("x\n", time)


@given(blob=st.binary(max_size=90))
def test_no_other_bytes_are_a_cosignature(blob: bytes) -> None:
    verifier = WitnessSigner("w", Secret(bytes(32))).verifier()
    assert not verifier.verify("x\n0\n", blob)


@pytest.mark.parametrize(
    "text", ["", "\n", "a\n", "a\n1\n", "a\n1\nxx\n", f"a\n1\n{'A' * 43}=\n\n", "a\n01\nx\ny\n"]
)
def test_other_text_has_no_head(text: str) -> None:
    with pytest.raises(Damaged):
        head_of(text)
