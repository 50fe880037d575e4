"""A kit opens with k of its shares, and with fewer, others or a changed byte tells nothing."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shamir_mnemonic.share import Share

from secvault.crypto.canonical import canonical_json
from secvault.crypto.evidence import sign_evidence
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.crypto.shares import split
from secvault.errors import Damaged, InvalidInput, SecvaultError
from secvault.recovery.opening import check_share, open_kit, open_with, read_kit
from secvault.recovery.sealed import make_kit
from tests.recovery.a_kit import SECRET, SECRETS, SIGNER, made_kit

KIT = made_kit()
PLACES = st.integers(0, len(KIT.file))
STRANGER = NoteSigner("acme/v1/evidence", Secret(b"\x07" * 32))


def test_every_choice_and_order_of_k_shares_opens_it() -> None:
    for pair in permutations(KIT.words, 2):
        assert open_kit(KIT.file, pair) == (KIT.head, SECRETS)


def test_more_shares_than_needed_do_no_harm() -> None:
    assert open_kit(KIT.file, KIT.words) == (KIT.head, SECRETS)


def test_the_vault_opens_it_with_the_secret_that_it_keeps() -> None:
    assert open_with(KIT.file, SECRET) == (KIT.head, SECRETS)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_k_of_n_open_it_and_k_less_one_say_how_many_are_needed(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 16))
    threshold = data.draw(st.integers(2, count))
    kit = made_kit(threshold, count)
    order = data.draw(st.permutations(kit.words))
    assert open_kit(kit.file, order[:threshold])[1] == SECRETS
    with pytest.raises(InvalidInput, match=rf"{threshold} different shares open this kit") as said:
        open_kit(kit.file, order[: threshold - 1])
    assert said.value.detail.endswith(f"and {threshold - 1} were given")


def test_too_few_shares_are_told_in_the_same_words_whichever_they_are() -> None:
    kit = made_kit(3, 5)
    told = set()
    for pair in combinations(kit.words, 2):
        with pytest.raises(InvalidInput) as said:
            open_kit(kit.file, pair)
        told.add(str(said.value))
    assert len(told) == 1


def test_a_share_given_twice_counts_once() -> None:
    with pytest.raises(InvalidInput, match="and 1 were given"):
        open_kit(KIT.file, [KIT.words[0], Secret.of(KIT.words[0].text().upper())])


def test_a_mistyped_share_is_told_by_its_place() -> None:
    words = KIT.words[1].text().split()
    wrong = Secret.of(" ".join([words[1], words[0], *words[2:]]))
    with pytest.raises(InvalidInput, match="shares: number 2 given: these words are not"):
        open_kit(KIT.file, [KIT.words[0], wrong])


def test_shares_of_another_set_are_refused_also_where_they_say_that_they_are_of_this_one() -> None:
    _, others = split(SECRET, 2, 3)
    with pytest.raises(InvalidInput, match="number 1 given: this share does not belong"):
        open_kit(KIT.file, [others[0], KIT.words[0]])
    of_this = Share.from_mnemonic(KIT.words[1].text())
    forged = replace(
        Share.from_mnemonic(others[1].text()),
        identifier=of_this.identifier,
        extendable=of_this.extendable,
    )
    with pytest.raises(InvalidInput, match="number 2 given: this share does not belong"):
        open_kit(KIT.file, [KIT.words[0], Secret.of(forged.mnemonic())])


def test_a_kit_whose_open_part_was_exchanged_does_not_open_even_when_signed_anew() -> None:
    read = read_kit(KIT.file)
    head = msgspec.structs.replace(
        read.head, contacts=("hosting: the attacker",), evidence_key=STRANGER.verifier().vkey
    )
    # As an attacker would do it: another open part, the old sealed one, a key of their own.
    forged = json.loads(make_kit(head, SECRETS, Secret(b"\x01" * 32), STRANGER))
    for sealed in (forged["sealed"], read.sealed):
        file = _signed({**forged, "sealed": sealed}, STRANGER)
        assert read_kit(file).head == head
        with pytest.raises(Damaged, match="does not open with these shares"):
            open_kit(file, KIT.words[:2])
        with pytest.raises(Damaged, match="signed by another key"):
            read_kit(file, SIGNER.verifier().vkey)


def test_who_knows_the_key_of_the_vault_sees_that_a_kit_is_its_own() -> None:
    assert read_kit(KIT.file, SIGNER.verifier().vkey).head == KIT.head


def test_every_changed_byte_is_found_before_a_share_is_asked_for() -> None:
    file = KIT.file
    for place in range(0, len(file), 7):
        for value in (file[place] ^ 1, file[place] ^ 0x20):
            changed = file[:place] + bytes([value]) + file[place + 1 :]
            with pytest.raises((Damaged, InvalidInput)):
                read_kit(changed)


@settings(max_examples=200, deadline=None)
@given(PLACES, PLACES, st.binary(max_size=4))
@example(464, 464, b"\r")
def test_a_kit_that_was_cut_or_filled_is_none_or_says_the_same(
    one: int, other: int, filling: bytes
) -> None:
    start, end = sorted((one, other))
    changed = KIT.file[:start] + filling + KIT.file[end:]
    try:
        read = read_kit(changed)
    except SecvaultError:
        return
    # Spaces between what JSON says, as a mail program may put them there.
    assert read == read_kit(KIT.file)
    assert json.loads(changed) == json.loads(KIT.file)


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_what_is_no_kit_is_said_to_be_none(file: bytes) -> None:
    with pytest.raises(InvalidInput, match="this is no recovery kit"):
        read_kit(file)


def test_a_kit_of_a_later_version_says_so() -> None:
    document = json.loads(KIT.file)
    document["head"]["format"] = "secvault recovery kit v2"
    with pytest.raises(InvalidInput, match="of another version"):
        read_kit(canonical_json(document))


def test_secrets_do_not_show() -> None:
    assert "opens-the" not in repr(SECRETS)
    assert "opens-the" not in repr(SECRETS.passwords[0])
    for hidden in (*SECRETS.roots, "opens-the-local-one"):
        assert hidden.encode() not in KIT.file


def test_a_holder_checks_a_share_without_telling_it() -> None:
    checked = check_share(KIT.words[1], KIT.head)
    assert (checked.number, checked.threshold, checked.of_kit) == (2, 2, True)
    assert checked.holder == "Holder 2"
    assert check_share(KIT.words[1]).of_kit is None
    _, [other, *_] = split(SECRET, 2, 3)
    assert check_share(other, KIT.head).of_kit is False
    with pytest.raises(InvalidInput, match="share: these words are not a share"):
        check_share(Secret.of("academic acid"))


def test_the_form_of_a_kit_is_what_it_was() -> None:
    """The open part is bound to the sealed one: a changed form would close every kit."""
    document = json.loads(KIT.file)
    assert sorted(document) == ["head", "note", "sealed"]
    assert KIT.file == canonical_json(document)
    assert sorted(document["head"]) == sorted(
        [
            *("audit_keys", "company", "contacts", "database", "digest", "evidence_key"),
            *("format", "issued_at", "kit", "origin", "plans", "repositories", "schema"),
            *("seal", "services", "shares", "version"),
        ]
    )
    assert base64.b64decode(document["sealed"])[0] == 1
    assert document["note"].startswith("secvault evidence v1\nrecovery-kit\nsha256 ")


def test_a_kit_of_the_first_version_opens_for_ever() -> None:
    """Papers and files with these bytes lie in safes."""
    kept = json.loads(Path(__file__).with_name("kit-v1.json").read_text("utf-8"))
    for pair in permutations(kept["shares"], 2):
        _, secrets = open_kit(kept["kit"].encode(), [Secret.of(words) for words in pair])
        assert json.loads(msgspec.json.encode(secrets)) == kept["secrets"]


def _signed(document: dict[str, Any], signer: NoteSigner) -> bytes:
    part = {"kind": "recovery-kit", "head": document["head"], "sealed": document["sealed"]}
    return canonical_json({**document, "note": sign_evidence(part, signer).note.decode()})
