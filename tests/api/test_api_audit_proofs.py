"""Proofs and tiles of the audit log over HTTP."""

from __future__ import annotations

import base64

import pytest

from secvault.crypto.checkpoint import verify_checkpoint
from secvault.crypto.merkle import leaf_hash, root_of, verify_inclusion
from secvault.crypto.note import NoteVerifier
from tests.running_service import Api

AUDIT = "/api/v1/audit"


def test_an_event_is_proven_by_the_key_alone(api: Api) -> None:
    key = NoteVerifier.from_vkey(api.ok("GET", f"{AUDIT}/keys", "auditor")["audit"])
    found = api.ok("GET", f"{AUDIT}/events/1/proof", "auditor")
    signed = verify_checkpoint(found["checkpoint"].encode(), [key], key.name)
    hashes = [base64.b64decode(each) for each in found["hashes"]]
    verify_inclusion(leaf_hash(found["entry"].encode()), 1, signed.size, hashes, signed.root)
    grown = api.ok("GET", f"{AUDIT}/consistency?old={signed.size}", "auditor")
    assert grown["old"] == found["checkpoint"]


def test_tiles_make_the_root_of_the_checkpoint_beside_them(api: Api) -> None:
    key = NoteVerifier.from_vkey(api.ok("GET", f"{AUDIT}/keys", "auditor")["audit"])
    api.ok("GET", f"{AUDIT}/events/1/proof", "auditor")
    note = api("GET", f"{AUDIT}/log/checkpoint", "auditor")
    assert note.headers["content-type"].startswith("text/plain")
    signed = verify_checkpoint(note.content, [key], key.name)
    width = min(signed.size, 256)
    partial = "" if width == 256 else f".p/{width}"
    tile = api("GET", f"{AUDIT}/log/tile/0/000{partial}", "auditor").content
    entries = api("GET", f"{AUDIT}/log/tile/entries/000{partial}", "auditor").content
    leaves = []
    while entries:
        length = int.from_bytes(entries[:2], "big")
        leaves.append(leaf_hash(entries[2 : 2 + length]))
        entries = entries[2 + length :]
    assert tile == b"".join(leaves)
    if width == signed.size:
        assert root_of(leaves) == signed.root


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("events/999999/proof", 404),
        ("consistency?old=999999", 404),
        ("consistency?old=0", 422),
        ("log/tile/0/x999/999", 404),
        ("log/tile/7/999", 404),
        ("log/tile/0/0", 422),
        ("log/../../etc/passwd", 404),
        ("log/index.html", 422),
    ],
)
def test_what_is_not_there_is_said_so(api: Api, path: str, status: int) -> None:
    assert api("GET", f"{AUDIT}/{path}", "auditor").status_code == status


@pytest.mark.parametrize(
    "path", ["events/1/proof", "consistency?old=1", "log/checkpoint", "witnesses"]
)
def test_nobody_gets_a_proof_who_may_not_read_the_log(api: Api, path: str) -> None:
    assert api("GET", f"{AUDIT}/{path}", "clerk").status_code == 403
    assert api("GET", f"{AUDIT}/{path}").status_code == 401


def test_auditors_see_that_no_witness_is_declared(api: Api) -> None:
    assert api.ok("GET", f"{AUDIT}/witnesses", "auditor") == {"witnesses": []}
