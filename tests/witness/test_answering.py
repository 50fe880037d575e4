"""The rules of the protocol, without a network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secvault.clock import Clock
from secvault.crypto.checkpoint import Checkpoint, sign_checkpoint
from secvault.crypto.cosignature import WitnessSigner, cosignatures
from secvault.crypto.merkle import EMPTY_ROOT
from secvault.crypto.note import NoteSigner, NoteVerifier, SignatureLine, sign_note
from secvault.crypto.secret import Secret
from secvault.crypto.witness_request import SIZE_TYPE, AddCheckpoint
from secvault.witness.answering import Reply, Witness
from secvault.witness.state import WitnessFile
from tests.witness.conftest import ORIGIN, STARTED, GrownLog


def test_a_checkpoint_that_continues_the_last_one_is_cosigned(
    witness: Witness, grown: GrownLog, signer: WitnessSigner
) -> None:
    for at, (old, size) in enumerate(((0, 1), (1, 3), (3, 3), (3, 4), (4, 100))):
        reply = witness.add_checkpoint(grown.body(old, size))
        assert reply.status == 200, reply
        (found,) = cosignatures(grown.note(size) + reply.body, [signer.verifier()])
        assert found.time == STARTED + at
        assert found.line.format().encode() == reply.body


def test_another_size_than_the_last_is_told_in_the_form_of_the_protocol(
    witness: Witness, grown: GrownLog
) -> None:
    assert witness.add_checkpoint(grown.body(7, 9)) == Reply(409, b"0\n", SIZE_TYPE)
    assert witness.add_checkpoint(grown.body(0, 5)).status == 200
    for old, size in ((0, 9), (4, 9), (3, 4), (9, 9)):
        assert witness.add_checkpoint(grown.body(old, size)) == Reply(409, b"5\n", SIZE_TYPE)


def test_a_log_that_was_rewritten_is_refused_however_it_is_shown(
    witness: Witness, grown: GrownLog
) -> None:
    other = GrownLog("forged", grown.signer)
    assert witness.add_checkpoint(grown.body(0, 5)).status == 200
    before = witness.state.last(ORIGIN)
    assert witness.add_checkpoint(other.body(5, 9)).status == 422
    mixed = AddCheckpoint(5, grown.request(5, 9).proof, other.note(9))
    assert witness.add_checkpoint(mixed.format()).status == 422
    same_size = witness.add_checkpoint(other.body(5, 5))
    assert (same_size.status, same_size.media_type) == (409, "text/plain; charset=utf-8")
    assert witness.add_checkpoint(other.body(0, 5)).status == 409
    assert witness.state.last(ORIGIN) == before
    assert witness.add_checkpoint(grown.body(5, 9)).status == 200


def test_what_is_not_of_the_protocol_changes_nothing(witness: Witness, grown: GrownLog) -> None:
    stranger = NoteSigner("stranger.example.com", Secret(bytes(32)))
    elsewhere = sign_checkpoint(Checkpoint(stranger.name, 0, EMPTY_ROOT), stranger)
    unsigned = sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), stranger)
    note = grown.note(3)
    wrong = note[:-4] + (b"A" if note[-4:-3] != b"A" else b"B") + note[-3:]
    bodies = {
        400: (b"", b"old 0\n", b"old 0\n\n", grown.body(4, 3), b"old 0\n\nno note\n"),
        403: (b"old 0\n\n" + unsigned, b"old 0\n\n" + wrong),
        404: (b"old 0\n\n" + elsewhere,),
        422: (AddCheckpoint(0, (bytes(32),), note).format(),),
    }
    for status, each in bodies.items():
        for body in each:
            assert witness.add_checkpoint(body).status == status, body
    assert witness.state.last(ORIGIN) is None


def test_any_entry_of_a_proof_that_is_changed_left_out_or_added_is_refused(
    witness: Witness, grown: GrownLog
) -> None:
    assert witness.add_checkpoint(grown.body(0, 6)).status == 200
    request = grown.request(6, 100)
    for at, one in enumerate(request.proof):
        before, after = request.proof[:at], request.proof[at + 1 :]
        flipped = bytes([one[0] ^ 1, *one[1:]])
        for proof in ((*before, flipped, *after), (*before, *after), (*before, one, one, *after)):
            assert witness.add_checkpoint(replace(request, proof=proof).format()).status == 422
    assert witness.add_checkpoint(request.format()).status == 200


@given(
    sizes=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.booleans()), max_size=12)
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_makes_a_witness_cosign_two_logs(
    sizes: list[tuple[int, int, bool]],
    signer: WitnessSigner,
    seconds: Clock,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    honest = GrownLog()
    forged = GrownLog("forged", honest.signer)
    state = WitnessFile.make(tmp_path_factory.mktemp("witness") / "witness.db")
    witness = Witness(signer, {ORIGIN: (honest.signer.verifier(),)}, state, seconds)
    seen: list[tuple[int, bool]] = []
    for old, size, lies in sizes:
        log = forged if lies else honest
        if witness.add_checkpoint(log.body(old, size)).status == 200:
            seen.append((size, lies))
    assert [size for size, _ in seen] == sorted(size for size, _ in seen)
    # An empty log is nobody's.
    assert len({lies for size, lies in seen if size}) <= 1


def test_a_clock_that_is_put_back_dates_nothing_before_what_it_follows(
    witness: Witness, grown: GrownLog, signer: WitnessSigner
) -> None:
    times = []
    for at, (old, size) in ((STARTED + 100, (0, 1)), (STARTED, (1, 2)), (STARTED + 200, (2, 3))):
        clock = Clock(lambda at=at: at * 1_000_000, lambda: 0.0, lambda _: None)
        reply = replace(witness, clock=clock).add_checkpoint(grown.body(old, size))
        times += [
            one.time for one in cosignatures(grown.note(size) + reply.body, [signer.verifier()])
        ]
    assert times == [STARTED + 100, STARTED + 100, STARTED + 200]


def test_what_was_cosigned_last_is_shown_to_whoever_asks(
    witness: Witness, grown: GrownLog, signer: WitnessSigner
) -> None:
    name = hashlib.sha256(ORIGIN.encode()).hexdigest()
    assert witness.latest(name).status == 404
    witness.add_checkpoint(grown.body(0, 3))
    shown = witness.latest(name)
    assert shown.status == 200
    assert shown.body.startswith(grown.note(3))
    assert len(cosignatures(shown.body, [signer.verifier()])) == 1
    for other in ("", "0" * 64, name.upper(), ORIGIN):
        assert witness.latest(other).status == 404


def test_a_witness_that_cannot_remember_cosigns_nothing(
    witness: Witness, grown: GrownLog, tmp_path: Path
) -> None:
    (tmp_path / "witness.db").unlink()
    reply = witness.add_checkpoint(grown.body(0, 3))
    assert reply.status == 503
    assert "—".encode() not in reply.body
    assert not (tmp_path / "witness.db").exists()


def test_a_checkpoint_with_extension_lines_is_cosigned_with_them(
    witness: Witness, grown: GrownLog, signer: WitnessSigner
) -> None:
    text = f"{ORIGIN}\n0\n{base64.b64encode(EMPTY_ROOT).decode()}\nmore of it\n"
    note = sign_note(text, grown.signer)
    reply = witness.add_checkpoint(b"old 0\n\n" + note)
    assert reply.status == 200
    assert len(cosignatures(note + reply.body, [signer.verifier()])) == 1


# Source: FiloSottile/litetlog, cmd/litewitness/testdata/litewitness.txt (ISC): what a log sent
# litewitness, and what it answered. It was sent in an older form of the protocol; the signed bytes
# are those of a checkpoint. There an unknown log was a 403.
LITE_KEY = "ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f"
LITE_SIGNED = {
    1: "b7cf653aa9c565a1ca359db81bd3bc656ab2890c6ea4c0aec42295e80aa05049"
    "423505026434f987923ccdf07d440c152cd59e736e5914d8ada8d7a4d51b2106",
    3: "655bb4871d15bc05032d67eece88900c4863a27f190393b99176391577f5def9"
    "71b023d9a418c3226b7b7ea47b33686d9b3849451dadc6b07c007c595af1ea0a",
    5: "0fc43899968b48b5150b0e8fe7ad07b17c21c7056a6fe381deb0cd19ece103d5"
    "9b2119b5dbe5d54d8a1262ce67f01245c5898b4b56f747495804a17a2eec0f0c",
}
LITE_ROOTS = {
    1: "2a" + 31 * "00",
    3: "45c088d4d939e9971298811f227d1295eaad57bbafae55cd71c171e7de48c25d",
    5: "42bb57ad06420afa4882c4a63ac6a1ec77480b330b2f20dfc53a0caa5f564e36",
}
ONE, TWO, THREE, FOUR = ("2a01", "2a02", "2a03", "2a04")
LITE_STEPS = (
    (0, 1, (), "", 200),
    (1, 3, (ONE, TWO), "signature", 403),
    (1, 3, (ONE, TWO), "log", 404),
    (1, 3, (), "", 422),
    (1, 3, (ONE, TWO + 29 * "00" + "01"), "", 422),
    (1, 3, (ONE, TWO), "", 200),
    (
        1,
        5,
        (ONE, "f9f50357e93def4078237b8aaea24ce1a3f5965a0f64ff26bebd99e30470d8b2", FOUR),
        "",
        409,
    ),
    (
        3,
        5,
        (TWO, THREE, "c2088815d65f60dbfa594d4e96504ab169cb6084bf0c132ab7c521fd2e0eba41", FOUR),
        "",
        200,
    ),
)


def lite_note(verifier: NoteVerifier, size: int, spoiled: str) -> bytes:
    signature = bytes.fromhex(LITE_SIGNED[size])
    origin = verifier.name
    if spoiled == "signature":
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    if spoiled == "log":
        origin = origin[:-1] + "1"
    root = base64.b64encode(bytes.fromhex(LITE_ROOTS[size])).decode()
    line = SignatureLine(verifier.name, verifier.key_id, signature).format()
    return f"{origin}\n{size}\n{root}\n\n{line}".encode()


def test_the_transcript_of_litewitness_is_answered_as_it_was(
    signer: WitnessSigner, seconds: Clock, tmp_path: Path
) -> None:
    key = bytes.fromhex(LITE_KEY)
    verifier = NoteVerifier(f"sigsum.org/v1/tree/{hashlib.sha256(key).hexdigest()}", key)
    assert verifier.name.endswith(
        "4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"
    )
    state = WitnessFile.make(tmp_path / "lite.db")
    witness = Witness(signer, {verifier.name: (verifier,)}, state, seconds)
    for old, size, proof, spoiled, status in LITE_STEPS:
        hashes = tuple(bytes.fromhex(each.ljust(64, "0")) for each in proof)
        note = lite_note(verifier, size, spoiled)
        reply = witness.add_checkpoint(AddCheckpoint(old, hashes, note).format())
        assert reply.status == status, (old, size, reply)
    last = state.last(verifier.name)
    assert last is not None
    assert last.head.size == 5


# Source: FiloSottile/torchwood, cmd/litewitness/testdata/multi-cosigs-ed25519.txt (ISC), whole.
TORCHWOOD_KEY = "52c05edad1bf5feffa81354faae59a655d9a9a1a793ed2f62c39c26c0be2aecd"
TORCHWOOD = (
    "old 0\n"
    "\n"
    "sigsum.org/v1/tree/985ea163f5af026723561354f51f2ebcdcf2af809ce254ccfb64aa9aadd80f90\n"
    "1\n"
    "KgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    "\n"
    "— sigsum.org/v1/tree/985ea163f5af026723561354f51f2ebcdcf2af809ce254ccfb64aa9aadd80f90 "
    "7BKT0gOfNZ1J0So9unY3BZtm2YkPIoNYM/dce0Z2avJDs8dxN6ts9bOSwwrVrbjm6P9K3ZxpK6jJngOG6YvGGzV/lwo=\n"
)


def test_what_torchwood_sends_is_cosigned(
    signer: WitnessSigner, seconds: Clock, tmp_path: Path
) -> None:
    key = bytes.fromhex(TORCHWOOD_KEY)
    verifier = NoteVerifier(f"sigsum.org/v1/tree/{hashlib.sha256(key).hexdigest()}", key)
    state = WitnessFile.make(tmp_path / "torchwood.db")
    witness = Witness(signer, {verifier.name: (verifier,)}, state, seconds)
    reply = witness.add_checkpoint(TORCHWOOD.encode())
    assert reply.status == 200
    note = TORCHWOOD.partition("\n\n")[2].encode()
    assert len(cosignatures(note + reply.body, [signer.verifier()])) == 1


def test_two_witnesses_over_one_file_are_one(
    make_witness: Callable[[], Witness], grown: GrownLog
) -> None:
    first, second = make_witness(), make_witness()
    assert first.add_checkpoint(grown.body(0, 4)).status == 200
    assert second.add_checkpoint(grown.body(0, 6)).status == 409
    assert second.add_checkpoint(grown.body(4, 6)).status == 200
    assert first.add_checkpoint(grown.body(4, 7)).status == 409
