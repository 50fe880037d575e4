from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.note import (
    MAX_NOTE_BYTES,
    NoteSigner,
    NoteVerifier,
    open_note,
    sign_note,
)
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput

# Keys, text, signatures and the list of malformed notes: golang/mod, sumdb/note/note_test.go,
# Copyright 2019 The Go Authors, BSD-3-Clause.
PETER_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH_KEY = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
PETER_SEED = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdng"
    "otpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWL"
    "ox33WWd1RvMc+QQ=\n"
)


@pytest.fixture(scope="session")
def peter() -> NoteVerifier:
    return NoteVerifier.from_vkey(PETER_KEY)


@pytest.fixture(scope="session")
def enoch() -> NoteVerifier:
    return NoteVerifier.from_vkey(ENOCH_KEY)


@pytest.fixture(scope="session")
def signer() -> NoteSigner:
    return NoteSigner("PeterNeumann", Secret(base64.b64decode(PETER_SEED)[1:]))


def note(*lines: str, text: str = TEXT) -> bytes:
    return f"{text}\n{''.join(lines)}".encode()


def test_a_note_is_signed_byte_for_byte_as_go_signs_it(
    signer: NoteSigner, peter: NoteVerifier
) -> None:
    assert sign_note(TEXT, signer) == note(PETER_LINE)
    assert signer.verifier() == peter
    assert signer.verifier().vkey == PETER_KEY


def test_a_note_of_two_keys_opens_for_either_of_them(
    peter: NoteVerifier, enoch: NoteVerifier
) -> None:
    both = note(PETER_LINE, ENOCH_LINE)
    for known in ([peter], [enoch], [peter, enoch], [enoch, peter, enoch]):
        assert open_note(both, known) == TEXT


# The example in c2sp.org/signed-note has blank lines and other alphabets in its text.
def test_text_may_hold_blank_lines_and_any_alphabet(signer: NoteSigner) -> None:
    for text in ("\n", "\n\n\n", "ed è subito sera.\n\n", "— PeterNeumann x08g\n\nLương\n"):
        assert open_note(sign_note(text, signer), [signer.verifier()]) == text


@given(
    text=st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]) | st.just("\n")),
    seed=st.binary(min_size=32, max_size=32),
    name=st.text(st.sampled_from("abcZ09./-ư"), min_size=1),
)
def test_what_was_signed_opens(text: str, seed: bytes, name: str) -> None:
    signer = NoteSigner(name, Secret(seed))
    verifier = NoteVerifier.from_vkey(signer.verifier().vkey)

    assert open_note(sign_note(text + "\n", signer), [verifier]) == text + "\n"


def test_a_note_with_any_bit_flipped_does_not_open(
    peter: NoteVerifier, every_bit_flip: Callable[[bytes], list[bytes]]
) -> None:
    for changed in every_bit_flip(note(PETER_LINE)):
        with pytest.raises(Damaged):
            open_note(changed, [peter])


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        b"\n",
        b"\n\n",
        TEXT.encode(),
        note(),
        note(PETER_LINE)[:-1],
        note(PETER_LINE, text="\x01" + TEXT),
        note(PETER_LINE, text="a\tb\n"),
        note(PETER_LINE, text="a\r\n"),
        b"\xff" + note(PETER_LINE),
        b"\xed\xa0\x80" + note(PETER_LINE),
        note(PETER_LINE.replace("PeterNeumann", "Bad Name")),
        note(PETER_LINE.replace("PeterNeumann", "Bad\u00a0Name")),
        note(PETER_LINE.replace("PeterNeumann", "Bad+Name")),
        note(PETER_LINE.replace("PeterNeumann ", " ")),
        note(PETER_LINE.replace("— ", "- ")),
        note(PETER_LINE.replace("— ", "—")),
        note(PETER_LINE.replace("— ", "— — ")),
        note(PETER_LINE, "Unexpected line.\n"),
        note(PETER_LINE, "\n"),
        note(PETER_LINE.replace("=", "")),
        note(PETER_LINE.replace("AM=", "AN=")),
        note(PETER_LINE.replace("=", "= ")),
        note(PETER_LINE.replace("x08g", "x0-g")),
        note("— PeterNeumann \n"),
        note("— PeterNeumann x08go===\n"),
        note("— PeterNeumann x08gow==\n"),
        note(PETER_LINE * 101),
        note(PETER_LINE, text="a" * MAX_NOTE_BYTES + "\n"),
    ],
)
def test_a_malformed_note_is_damaged(malformed: bytes, peter: NoteVerifier) -> None:
    with pytest.raises(Damaged, match="malformed"):
        open_note(malformed, [peter])


def test_a_note_may_carry_a_hundred_signatures(peter: NoteVerifier) -> None:
    assert open_note(note(ENOCH_LINE * 99, PETER_LINE), [peter]) == TEXT


def test_a_note_without_a_signature_of_a_known_key_is_damaged(
    peter: NoteVerifier, enoch: NoteVerifier
) -> None:
    for known in ([], [enoch]):
        with pytest.raises(Damaged, match="not signed by a known key"):
            open_note(note(PETER_LINE), known)


def test_a_wrong_signature_of_a_known_key_spoils_the_note_beside_right_ones(
    peter: NoteVerifier, enoch: NoteVerifier
) -> None:
    wrong = PETER_LINE[:60] + "ABCD" + PETER_LINE[60:]
    for spoiled in (note(wrong), note(PETER_LINE, wrong), note(ENOCH_LINE, wrong)):
        with pytest.raises(Damaged, match="signature by PeterNeumann is wrong"):
            open_note(spoiled, [peter, enoch])
    with pytest.raises(Damaged, match="signature by PeterNeumann is wrong"):
        open_note(note(PETER_LINE, text=TEXT.replace("answer", "question")), [peter])


def test_a_wrong_signature_of_an_unknown_key_is_ignored(peter: NoteVerifier) -> None:
    wrong = ENOCH_LINE[:60] + "ABCD" + ENOCH_LINE[60:]

    assert open_note(note(wrong, PETER_LINE), [peter]) == TEXT


def test_sharing_only_the_name_or_only_the_key_id_makes_no_known_key(peter: NoteVerifier) -> None:
    same_name = PETER_LINE.replace("x08g", "xxxx")
    same_id = PETER_LINE.replace("PeterNeumann", "CarmenSandiego")

    assert open_note(note(same_name, same_id, PETER_LINE), [peter]) == TEXT
    for unknown in (same_name, same_id):
        with pytest.raises(Damaged, match="not signed by a known key"):
            open_note(note(unknown), [peter])


def test_two_different_keys_with_one_name_and_id_are_refused(signer: NoteSigner) -> None:
    # Found by counting up; 32 bits collide after about 2**16 keys.
    twins = [NoteVerifier("twins", number.to_bytes(32, "big")) for number in (58344, 122863)]
    assert twins[0].key_id == twins[1].key_id

    with pytest.raises(InvalidInput, match="two keys named twins share a key id"):
        open_note(sign_note(TEXT, signer), [signer.verifier(), *twins])


@given(data=st.binary() | st.text("— a+=\nABab01", max_size=60).map(str.encode))
def test_opening_arbitrary_bytes_raises_nothing_but_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        open_note(data, [NoteVerifier.from_vkey(PETER_KEY)])


def test_no_part_of_a_verifier_key_and_no_change_of_it_is_accepted() -> None:
    parts = {PETER_KEY[a:b] for a in range(len(PETER_KEY)) for b in range(a, len(PETER_KEY) + 1)}
    changed = {
        PETER_KEY[:at] + chr(ord(PETER_KEY[at]) + step) + PETER_KEY[at + 1 :]
        for at in range(len(PETER_KEY))
        for step in (1, -1, 0x2000)
    }
    adjusted = {
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        PETER_KEY.replace("c74f20a3", "C74F20A3"),
        PETER_KEY + "\n",
        "PeterNeumann+c74f20a3+\ud800",
    }
    for bad in (parts - {PETER_KEY}) | changed | adjusted:
        with pytest.raises(InvalidInput):
            NoteVerifier.from_vkey(bad)


@given(text=st.text() | st.text("a+0123456789abcdef=AR", max_size=80))
def test_reading_arbitrary_text_as_a_verifier_key_raises_nothing_but_invalid_input(
    text: str,
) -> None:
    with pytest.raises(InvalidInput):
        NoteVerifier.from_vkey(text)


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\x7f\x01", "\u2003", "\ud800"]
)
def test_a_key_name_that_a_note_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="name"):
        NoteSigner(name, Secret(bytes(32)))
    with pytest.raises(InvalidInput, match="name"):
        NoteVerifier(name, bytes(32))


def test_keys_of_another_length_are_refused() -> None:
    with pytest.raises(InvalidInput, match="seed"):
        NoteSigner("a", Secret(bytes(31)))
    with pytest.raises(InvalidInput, match="public_key"):
        NoteVerifier("a", bytes(33))


@pytest.mark.parametrize(
    "text", ["", "abc", "a\tb\n", "\x00\n", "\ud800\n", "a\r\n", "x" * MAX_NOTE_BYTES + "\n"]
)
def test_text_that_a_note_cannot_hold_is_not_signed(text: str, signer: NoteSigner) -> None:
    with pytest.raises(InvalidInput, match="text"):
        sign_note(text, signer)


def test_a_note_needs_a_signer_and_takes_no_more_than_can_be_read(signer: NoteSigner) -> None:
    for signers in ([], [signer] * 101):
        with pytest.raises(InvalidInput, match="signers"):
            sign_note(TEXT, *signers)


def test_a_signer_does_not_show_its_key(signer: NoteSigner) -> None:
    assert repr(signer) == "NoteSigner(name='PeterNeumann', seed=***)"
