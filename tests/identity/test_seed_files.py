"""Makers' files: what is read, and what is refused without repeating a seed."""

from __future__ import annotations

import base64
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pskc import PSKC

from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.identity.seed_files import read_csv, read_pskc
from secvault.identity.totp import Shape

SEED = b"12345678901234567890"
HEX, BASE32 = SEED.hex(), base64.b32encode(SEED).decode()
KEY = bytes.fromhex("12345678901234567890123456789012")

# RFC 6030, figures 6 and 7: pre-shared key "Pre-shared-key", AES-128-CBC, HMAC-SHA-1; HOTP.
FIGURE_6 = """<?xml version="1.0" encoding="UTF-8"?>
<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc"
 xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:xenc="http://www.w3.org/2001/04/xmlenc#">
 <EncryptionKey><ds:KeyName>Pre-shared-key</ds:KeyName></EncryptionKey>
 <MACMethod Algorithm="http://www.w3.org/2000/09/xmldsig#hmac-sha1"><MACKey>
  <xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>
  <xenc:CipherData><xenc:CipherValue>
ESIzRFVmd4iZABEiM0RVZgKn6WjLaTC1sbeBMSvIhRejN9vJa2BOlSaMrR7I5wSX
  </xenc:CipherValue></xenc:CipherData></MACKey></MACMethod>
 <KeyPackage><DeviceInfo><Manufacturer>Manufacturer</Manufacturer>
   <SerialNo>987654321</SerialNo></DeviceInfo>
  <Key Id="12345678" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:ALGORITHM">
   <Issuer>Issuer</Issuer>
   <AlgorithmParameters><ResponseFormat Length="8" Encoding="DECIMAL"/></AlgorithmParameters>
   <Data><Secret><EncryptedValue>
     <xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>
     <xenc:CipherData><xenc:CipherValue>
AAECAwQFBgcICQoLDA0OD+cIHItlB3Wra1DUpxVvOx2lef1VmNPCMl8jwZqIUqGv
     </xenc:CipherValue></xenc:CipherData></EncryptedValue>
    <ValueMAC>Su+NvtQfmvfJzF6bmQiJqoLRExc=</ValueMAC></Secret></Data>
  </Key></KeyPackage></KeyContainer>
"""


def container(*, encrypted: bool = True, **changed: object) -> bytes:
    """A PSKC container with one TOTP token, as the library writes it."""
    made = PSKC()
    said: dict[str, object] = {
        "serial": "T-1",
        "secret": SEED,
        "algorithm": "urn:ietf:params:xml:ns:keyprov:pskc:totp",
        "response_length": 6,
        "response_encoding": "DECIMAL",
        "time_interval": 30,
        **changed,
    }
    made.add_key(**said)
    if encrypted:
        made.encryption.setup_preshared_key(key=KEY, algorithm="aes128-cbc")
    written = io.BytesIO()
    made.write(written)
    return written.getvalue()


def refused(read: object, *given: object) -> str:
    with pytest.raises(InvalidInput) as error:
        read(*given)  # type: ignore[operator]
    said = str(error.value)
    assert HEX not in said
    assert BASE32 not in said
    return said


def test_a_csv_file_with_everything_said() -> None:
    text = (
        "\ufeffSerial,Secret,Digits,Algorithm,Period,Model\n"
        f"T-1,{HEX},8,HMAC-SHA-256,60,c200\n\n"
        f'T-2,"{BASE32[:8]} {BASE32[8:].lower()}",,,,\n'
    )
    first, second = read_csv(text.encode())
    assert (first.serial, first.seed.expose()) == ("T-1", SEED)
    assert first.shape == Shape("SHA256", 8, 60)
    assert (second.seed.expose(), second.shape) == (SEED, Shape())


def test_a_secret_that_could_be_both_must_say_which_it_is() -> None:
    both = "ABCDEF23" * 5
    assert "could be hexadecimal or base32" in refused(
        read_csv, f"serial,secret\n1,{both}".encode()
    )
    (as_hex,) = read_csv(f"serial,secret\n1,hex:{both}".encode())
    (as_base32,) = read_csv(f"serial,secret\n1,base32:{both}".encode())
    assert as_hex.seed.expose() == bytes.fromhex(both)
    assert as_base32.seed.expose() == base64.b32decode(both)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "serial and secret"),
        (f"serial,seed\n1,{HEX}", "serial and secret"),
        ("serial,secret\n", "no token"),
        (f"serial,secret\n1,{HEX}\n1,{HEX}", "twice"),
        (f"serial,secret\n,{HEX}", "line 2: has no serial"),
        (f"serial,secret\n=cmd|x,{HEX}", "line 2: has no serial"),
        (f"serial,secret\n1,{HEX}\n2,{HEX[:10]}", "line 3: seed must be 16 to 64"),
        (f"serial,secret\n1,{HEX}!", "line 2: secret must be hexadecimal or base32"),
        (f"serial,secret,digits\n1,{HEX},7", "line 2: digits must be 6 or 8"),
        (f"serial,secret,algorithm\n1,{HEX},MD5", "line 2: algorithm use one of"),
        (f"serial,secret,period\n1,{HEX},1", "line 2: period must be 30 or 60"),
        (f'serial,secret\n1,"{HEX}', "no line of a CSV file"),
    ],
)
def test_a_csv_file_with_a_fault_is_refused_whole(text: str, said: str) -> None:
    assert said in refused(read_csv, text.encode())


@given(st.binary(max_size=200))
def test_any_bytes_may_be_sent_as_a_file(content: bytes) -> None:
    for read in (read_csv, read_pskc, lambda it: read_csv(b"serial,secret\n" + it)):
        try:
            read(content)
        except InvalidInput:
            continue


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_container_gives_its_tokens(encrypted: bool) -> None:
    key = Secret(KEY) if encrypted else None
    (token,) = read_pskc(container(encrypted=encrypted), key)
    assert (token.serial, token.seed.expose(), token.shape) == ("T-1", SEED, Shape())
    content = container(
        encrypted=encrypted, algorithm_suite="HMAC-SHA256", response_length=8, time_interval=60
    )
    (token,) = read_pskc(content, key)
    assert token.shape == Shape("SHA256", 8, 60)


def test_the_container_of_the_rfc_opens_with_its_key() -> None:
    totp = FIGURE_6.replace("ALGORITHM", "totp").encode()
    (token,) = read_pskc(totp, Secret(KEY))
    assert (token.serial, token.seed.expose()) == ("987654321", SEED)
    assert "no TOTP key" in refused(
        read_pskc, FIGURE_6.replace("ALGORITHM", "hotp").encode(), Secret(KEY)
    )


def test_a_changed_or_missing_mac_a_wrong_key_and_none_are_refused() -> None:
    totp = FIGURE_6.replace("ALGORITHM", "totp")
    changed = totp.replace("Su+NvtQf", "Su+NvtQg").encode()
    assert "was changed" in refused(read_pskc, changed, Secret(KEY))
    cut = totp.replace("<ValueMAC>Su+NvtQfmvfJzF6bmQiJqoLRExc=</ValueMAC>", "").encode()
    assert "no MAC" in refused(read_pskc, cut, Secret(KEY))
    start, end = totp.index("<MACMethod"), totp.index("</MACMethod>") + len("</MACMethod>")
    assert "no MAC" in refused(read_pskc, (totp[:start] + totp[end:]).encode(), Secret(KEY))
    assert "does not open" in refused(read_pskc, totp.encode(), Secret(bytes(16)))
    assert "is needed" in refused(read_pskc, totp.encode())
    assert "16, 24 or 32" in refused(read_pskc, totp.encode(), Secret(b"short"))
    assert "not encrypted" in refused(read_pskc, container(encrypted=False), Secret(KEY))


def test_a_ciphertext_that_was_changed_is_refused() -> None:
    totp = FIGURE_6.replace("ALGORITHM", "totp").replace("AAECAwQF", "AAECAwQG").encode()
    assert "was changed" in refused(read_pskc, totp, Secret(KEY))


def test_a_container_under_a_passphrase_is_refused_before_any_work() -> None:
    made = PSKC()
    made.add_key(serial="1", secret=SEED, algorithm="urn:ietf:params:xml:ns:keyprov:pskc:totp")
    made.encryption.setup_pbkdf2("a passphrase", iterations=1000)
    written = io.BytesIO()
    made.write(written)
    assert "passphrase" in refused(read_pskc, written.getvalue(), Secret(KEY))


@pytest.mark.parametrize(
    "prolog",
    [
        '<!DOCTYPE k [<!ENTITY a "b">]>',
        '<!DOCTYPE k SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE k [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
    ],
)
def test_entities_and_document_types_are_refused(prolog: str) -> None:
    plain = container(encrypted=False).decode()
    head, _, body = plain.partition("?>")
    content = f"{head}?>{prolog}{body}" if body else prolog + plain
    assert "no PSKC container" in refused(read_pskc, content.encode())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"algorithm": "urn:ietf:params:xml:ns:keyprov:pskc:hotp"}, "no TOTP key"),
        ({"time_offset": 5}, "another moment"),
        ({"algorithm_suite": "HMAC-MD5"}, "decimal codes"),
        ({"response_encoding": "HEXADECIMAL"}, "decimal codes"),
        ({"response_length": 7}, "digits must be"),
        ({"time_interval": 5}, "period must be"),
        ({"secret": b"short"}, "16 to 64"),
        ({"serial": "with space"}, "no serial"),
    ],
)
def test_a_token_that_is_no_totp_token_of_ours_is_refused(
    changed: dict[str, object], said: str
) -> None:
    assert said in refused(read_pskc, container(encrypted=False, **changed))
