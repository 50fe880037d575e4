from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.canonical import JsonValue
from secvault.crypto.evidence import sign_evidence, verify_evidence
from secvault.crypto.note import NoteSigner, NoteVerifier, sign_note
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput

DRILL: dict[str, JsonValue] = {"kind": "backup.drill", "files": 3, "plan": "lương"}


@pytest.fixture(scope="session")
def signer() -> NoteSigner:
    return NoteSigner("vault.example.com/evidence", Secret(bytes(range(32))))


@pytest.fixture(scope="session")
def verifier(signer: NoteSigner) -> NoteVerifier:
    return signer.verifier()


def test_evidence_has_its_golden_bytes(signer: NoteSigner, verifier: NoteVerifier) -> None:
    evidence = sign_evidence(DRILL, signer)

    assert evidence.document.decode() == '{"files":3,"kind":"backup.drill","plan":"lương"}'
    assert evidence.note.decode() == (
        "secvault evidence v1\n"
        "backup.drill\n"
        "sha256 86559e8c1382c7dea486490e4d9b389a69833290cca22319faeb125eb60136a4\n"
        "\n"
        "— vault.example.com/evidence eH85QdE/Kk2jAT17kK4IY1047RlM9uv/y1NwmZXiGzC+zCCPKpcRxhVw3KVM"
        "cWXJhX7JeohoCAzRYRDDemZRBFl0rw4=\n"
    )
    assert verify_evidence(evidence.document, evidence.note, verifier) == DRILL


def test_any_bit_flipped_in_the_document_or_the_note_is_seen(
    signer: NoteSigner, verifier: NoteVerifier, every_bit_flip: Callable[[bytes], list[bytes]]
) -> None:
    evidence = sign_evidence(DRILL, signer)
    for changed in every_bit_flip(evidence.document):
        with pytest.raises(Damaged):
            verify_evidence(changed, evidence.note, verifier)
    for changed in every_bit_flip(evidence.note):
        with pytest.raises(Damaged):
            verify_evidence(evidence.document, changed, verifier)


def test_a_note_belongs_to_one_document(signer: NoteSigner, verifier: NoteVerifier) -> None:
    one, other = sign_evidence(DRILL, signer), sign_evidence({**DRILL, "files": 4}, signer)
    with pytest.raises(Damaged, match="not the signature of this"):
        verify_evidence(one.document, other.note, verifier)


def test_evidence_of_a_stranger_is_not_accepted(signer: NoteSigner) -> None:
    evidence = sign_evidence(DRILL, signer)
    stranger = NoteSigner(signer.name, Secret(bytes(32))).verifier()
    with pytest.raises(Damaged, match="not signed by a known key"):
        verify_evidence(evidence.document, evidence.note, stranger)
    assert verify_evidence(evidence.document, evidence.note, stranger, signer.verifier()) == DRILL


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (b'{"kind":"b"}', "secvault evidence v1\na\nsha256 {digest}\n"),
        (b'{"kind":"a"}', "secvault evidence v2\na\nsha256 {digest}\n"),
        (b'{"kind":"a"}', "secvault evidence v1\na\nsha256 {digest}\nmore\n"),
        (b'{"kind":"a"}', "secvault evidence v1\na\nsha512 {digest}\n"),
        (b'{"kind":"a"}', "secvault evidence v1\n"),
        (b'{"kind":"a"}', "{digest}\n"),
        (b'{"kind": "a"}', "secvault evidence v1\na\nsha256 {digest}\n"),
        (b'{"a":1}', "secvault evidence v1\na\nsha256 {digest}\n"),
        (b'["a"]', "secvault evidence v1\na\nsha256 {digest}\n"),
        (b"\xff", "secvault evidence v1\na\nsha256 {digest}\n"),
    ],
)
def test_a_genuine_signature_over_anything_else_than_evidence_is_damaged(
    document: bytes, text: str, signer: NoteSigner, verifier: NoteVerifier
) -> None:
    note = sign_note(text.format(digest=sha256(document).hexdigest()), signer)
    with pytest.raises(Damaged):
        verify_evidence(document, note, verifier)


@pytest.mark.parametrize(
    "kind", [None, 1, "", "A", "a b", "a\nb", "a\n", "a..b", ".a", "a-", "ư", "a" * 65]
)
def test_a_kind_that_is_no_plain_name_is_refused(kind: Any, signer: NoteSigner) -> None:
    with pytest.raises(InvalidInput, match="kind"):
        sign_evidence({"kind": kind}, signer)


def test_a_document_without_kind_or_without_canonical_form_is_refused(signer: NoteSigner) -> None:
    with pytest.raises(InvalidInput, match="kind"):
        sign_evidence({}, signer)
    with pytest.raises(InvalidInput, match="/share: floating point"):
        sign_evidence({"kind": "a", "share": 0.5}, signer)  # type: ignore[dict-item]


@given(document=st.binary(), note=st.binary())
def test_arbitrary_bytes_are_damaged_and_nothing_else(document: bytes, note: bytes) -> None:
    known = NoteVerifier("a", bytes(32))
    with pytest.raises(Damaged):
        verify_evidence(document, note, known)
