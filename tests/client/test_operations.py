"""Each operation on a running secvault and on a real OpenBao, blocking and awaited."""

from __future__ import annotations

import base64
import hashlib
import secrets

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secvault.client import (
    BadRequest,
    Client,
    Failed,
    NotAllowed,
    NotFound,
    Secret,
    ToDecrypt,
    ToEncrypt,
    ToVerify,
    Unexpected,
    WrongUse,
    value_of,
    values_of,
)
from tests.client.conftest import Awaited, Server

Vault = Client | Awaited

PLACE = "payslips.net/42"
FEW = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(st.binary(max_size=2000), st.binary(max_size=50))
def test_bytes_come_back_with_the_associated_data_that_they_were_bound_to(
    vault: Vault, key: str, plaintext: bytes, place: bytes
) -> None:
    ciphertext = vault.encrypt(key, plaintext, associated_data=place)
    assert ciphertext.startswith("vault:v1:")
    assert vault.decrypt(key, ciphertext, associated_data=place) == plaintext
    with pytest.raises(BadRequest):
        vault.decrypt(key, ciphertext, associated_data=place + b"!")


def test_text_comes_back_as_text_and_as_its_utf_8_bytes(vault: Vault, key: str) -> None:
    ciphertext = vault.encrypt(key, "31.500.000 đ", associated_data=PLACE)
    assert vault.decrypt_text(key, ciphertext, associated_data=PLACE) == "31.500.000 đ"
    assert vault.decrypt(key, ciphertext, associated_data=PLACE) == "31.500.000 đ".encode()


def test_bytes_that_are_no_text_are_not_given_as_text(vault: Vault, key: str) -> None:
    ciphertext = vault.encrypt(key, b"\xff\xfe")
    with pytest.raises(Unexpected) as raised:
        vault.decrypt_text(key, ciphertext)
    assert "xff" not in repr(raised.value)


def test_a_damaged_ciphertext_a_missing_key_and_a_wrong_token_have_errors_of_their_own(
    vault: Vault, key: str, server: Server
) -> None:
    with pytest.raises(BadRequest) as damaged:
        vault.decrypt(key, "vault:v1:AAAA")
    assert damaged.value.status == 400
    assert damaged.value.errors[0]
    with pytest.raises(NotFound):
        vault.read_key("no-such-key")
    with Client(server.address, "s.notAToken") as stranger, pytest.raises(NotAllowed) as refused:
        stranger.encrypt(key, "x")
    assert refused.value.status == 403


def test_a_key_is_made_once_rotated_limited_listed_and_deleted(vault: Vault) -> None:
    name = f"sdk-{secrets.token_hex(5)}"
    made = vault.create_key(name)
    assert (made.name, made.type, made.latest_version) == (name, "aes256-gcm96", 1)
    first = vault.encrypt(name, "a")
    assert vault.rotate_key(name).latest_version == 2
    assert vault.create_key(name).latest_version == 2
    assert vault.encrypt(name, "a").startswith("vault:v2:")
    assert vault.encrypt(name, "a", key_version=1).startswith("vault:v1:")
    moved = vault.rewrap(name, first)
    assert moved.startswith("vault:v2:")
    assert name in vault.list_keys()
    assert vault.configure_key(name, min_decryption_version=2).min_decryption_version == 2
    assert vault.decrypt(name, moved) == b"a"
    with pytest.raises(BadRequest):
        vault.decrypt(name, first)
    vault.configure_key(name, deletion_allowed=True)
    vault.delete_key(name)
    with pytest.raises(NotFound):
        vault.read_key(name)


def test_derived_keys_open_in_their_context_only(vault: Vault) -> None:
    name = f"sdk-{secrets.token_hex(5)}"
    assert vault.create_key(name, derived=True).derived
    ciphertext = vault.encrypt(name, "a", context="nv-0042")
    assert vault.decrypt(name, ciphertext, context="nv-0042") == b"a"
    with pytest.raises(BadRequest):
        vault.decrypt(name, ciphertext, context="nv-0043")


def test_signatures_and_hmacs_are_verified(vault: Vault, key: str) -> None:
    signer = f"{key}-ed"
    vault.create_key(signer, type="ed25519")
    signature = vault.sign(signer, "payslip 42")
    assert vault.verify(signer, "payslip 42", signature=signature)
    assert not vault.verify(signer, "payslip 43", signature=signature)
    mac = vault.hmac(key, "0312345678")
    assert mac == vault.hmac(key, b"0312345678")
    assert mac != vault.hmac(key, "0312345678", algorithm="sha2-512")
    assert vault.verify(key, "0312345678", hmac=mac)


def test_an_rsa_key_signs_a_hash_as_it_is_told(vault: Vault, key: str) -> None:
    signer = f"{key}-rsa"
    vault.create_key(signer, type="rsa-2048")
    digest = hashlib.sha256(b"payslip 42").digest()
    signature = vault.sign(signer, digest, prehashed=True, signature_algorithm="pkcs1v15")
    assert vault.verify(signer, "payslip 42", signature=signature, signature_algorithm="pkcs1v15")
    assert not vault.verify(signer, "payslip 42", signature=signature, signature_algorithm="pss")


def test_a_data_key_is_given_in_clear_and_opens_again_from_its_ciphertext(
    vault: Vault, key: str
) -> None:
    made = vault.data_key(key, bits=512)
    assert len(made.key.expose()) == 64
    assert vault.decrypt(key, made.ciphertext) == made.key.expose()
    assert len(vault.decrypt(key, vault.wrapped_data_key(key))) == 32


def test_random_bytes_are_as_many_as_asked(vault: Vault) -> None:
    assert len(vault.random(17)) == 17
    assert vault.random() != vault.random()


@FEW
@given(
    st.lists(
        st.tuples(st.binary(max_size=30), st.binary(max_size=5), st.sampled_from([0, 0, 1, 99])),
        min_size=1,
        max_size=30,
    )
)
def test_a_batch_gives_for_each_item_what_a_single_call_gives(
    vault: Vault, key: str, given_items: list[tuple[bytes, bytes, int]]
) -> None:
    items = [ToEncrypt(text, place, key_version=version) for text, place, version in given_items]
    sealed = vault.encrypt_many(key, items)
    assert [isinstance(each, Failed) for each in sealed] == [it.key_version == 99 for it in items]
    to_open = [
        ToDecrypt("vault:v1:AAAA" if isinstance(each, Failed) else each.value, item.associated_data)
        for each, item in zip(sealed, items, strict=True)
    ]
    for one, result in zip(to_open, vault.decrypt_many(key, to_open), strict=True):
        if isinstance(result, Failed):
            with pytest.raises(BadRequest) as alone:
                vault.decrypt(key, one.ciphertext, associated_data=one.associated_data)
            assert alone.value.errors == result.error.args[1]
        else:
            opened = vault.decrypt(key, one.ciphertext, associated_data=one.associated_data)
            assert opened == value_of(result)


def test_a_long_batch_is_cut_into_requests_and_keeps_its_order(vault: Vault, key: str) -> None:
    texts = [f"nv-{number:05}" for number in range(1100)]
    sealed = values_of(vault.encrypt_many(key, map(ToEncrypt, texts)))
    opened = values_of(vault.decrypt_many(key, map(ToDecrypt, sealed)))
    assert [each.decode() for each in opened] == texts


def test_an_empty_batch_gives_nothing(vault: Vault, key: str) -> None:
    assert vault.encrypt_many(key, []) == []


def test_batches_rewrap_authenticate_sign_and_verify(vault: Vault, key: str) -> None:
    sealed = values_of(vault.encrypt_many(key, [ToEncrypt("a"), ToEncrypt("b")]))
    vault.rotate_key(key)
    moved = values_of(vault.rewrap_many(key, map(ToDecrypt, sealed)))
    assert [each[:9] for each in moved] == ["vault:v2:"] * 2
    macs = values_of(vault.hmac_many(key, ["a", "b"], key_version=1))
    assert macs == [vault.hmac(key, each, key_version=1) for each in ("a", "b")]
    asked = [ToVerify("a", hmac=macs[0]), ToVerify("b", hmac=macs[0])]
    assert values_of(vault.verify_many(key, asked)) == [True, False]
    signer = f"{key}-ed"
    vault.create_key(signer, type="ed25519")
    signatures = values_of(vault.sign_many(signer, ["a", "b"]))
    checked = [ToVerify(text, signature) for text, signature in zip("ab", signatures, strict=True)]
    assert values_of(vault.verify_many(signer, checked)) == [True, True]


def test_a_batch_as_a_whole_is_refused_for_a_wrong_token(server: Server, key: str) -> None:
    with Client(server.address, "s.notAToken") as stranger, pytest.raises(NotAllowed):
        stranger.encrypt_many(key, [ToEncrypt("a"), ToEncrypt("b")])


def test_a_name_that_would_change_the_path_is_not_sent(vault: Vault) -> None:
    for name in ("", "a/b", ".."):
        with pytest.raises(WrongUse):
            vault.encrypt(name, "x")
    for mount in ("", "/", "..", "transit/../sys"):
        with pytest.raises(WrongUse):
            vault.encrypt("k", "x", mount=mount)


def test_what_is_no_text_or_bytes_is_not_sent(vault: Vault) -> None:
    for wrong in (31500000, None, "\ud800"):
        with pytest.raises(WrongUse) as raised:
            vault.encrypt("k", wrong)  # type: ignore[arg-type]
        assert "31500000" not in str(raised.value)


def test_keys_and_tokens_show_as_stars(vault: Vault, key: str) -> None:
    made = vault.data_key(key)
    assert "key=***" in repr(made)
    assert base64.b64encode(made.key.expose()).decode() not in repr(made)
    assert f"{made.key} {made.key!r}" == "*** ***"
    assert made.key == Secret(made.key.expose())
