"""Codes: the published vectors, what counts as a code, and seeds at rest."""

from __future__ import annotations

import os
import time as machine
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.identity import totp
from secvault.identity.totp import Shape

RFC_SEED = b"12345678901234567890"

# RFC 4226, appendix D: counters 0 to 9.
HOTP = "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489"

# RFC 6238, appendix B.
MOMENTS = (59, 1_111_111_109, 1_111_111_111, 1_234_567_890, 2_000_000_000, 20_000_000_000)
TOTP = {
    "SHA1": (20, "94287082 07081804 14050471 89005924 69279037 65353130"),
    "SHA256": (32, "46119246 68084774 67062674 91819424 90698825 77737706"),
    "SHA512": (64, "90693936 25091201 99943326 93441116 38618901 47863826"),
}


@pytest.mark.parametrize(("counter", "code"), list(enumerate(HOTP.split())))
def test_rfc_4226_codes(counter: int, code: str) -> None:
    seed = Secret(RFC_SEED)
    assert totp.code_at(seed, totp.COMMON, counter).text() == code
    assert totp.matching_step(seed, totp.COMMON, Secret.of(code), range(10)) == counter


@pytest.mark.parametrize("algorithm", TOTP)
def test_rfc_6238_codes(algorithm: str) -> None:
    length, codes = TOTP[algorithm]
    seed = Secret((RFC_SEED * 4)[:length])
    shape = Shape(algorithm, digits=8)
    for moment, code in zip(MOMENTS, codes.split(), strict=True):
        step = shape.step(moment)
        assert totp.code_at(seed, shape, step).text() == code
        assert totp.matching_step(seed, shape, Secret.of(code), (step - 1, step)) == step


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "75522",
        "7552240",
        " 755224",
        "755224 ",
        "755 224",
        "755224\n",
        "７５５２２４",
        "٧٥٥٢٢٤",
        "+55224",
        "7_5224",
        "75522a",
        "755224\x00",
    ],
)
def test_only_six_ascii_digits_are_a_code(typed: str) -> None:
    seed = Secret(RFC_SEED)
    assert totp.matching_step(seed, totp.COMMON, Secret.of("755224"), (0,)) == 0
    assert totp.matching_step(seed, totp.COMMON, Secret.of(typed), (0,)) is None


@given(st.binary(max_size=12))
def test_any_bytes_may_be_typed_as_a_code(typed: bytes) -> None:
    found = totp.matching_step(Secret(RFC_SEED), totp.COMMON, Secret(typed), (0, 1))
    assert found == {b"755224": 0, b"287082": 1}.get(typed)


@given(st.integers(1, 2**32), st.binary(min_size=16, max_size=64))
def test_a_code_belongs_to_its_own_step(step: int, seed: bytes) -> None:
    code = totp.code_at(Secret(seed), totp.COMMON, step)
    found = totp.matching_step(Secret(seed), totp.COMMON, code, (step - 1, step))
    assert found == step


def test_the_time_zone_of_the_machine_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hour that comes twice in autumn: 2023-10-29, 00:30 and 01:30 UTC, 02:30 in Berlin."""
    seed, codes = Secret(RFC_SEED), []
    for zone in ("UTC", "Europe/Berlin", "Asia/Ho_Chi_Minh"):
        monkeypatch.setenv("TZ", zone)
        machine.tzset()
        codes.append(
            [totp.code_at(seed, totp.COMMON, at // 30).text() for at in (1698539400, 1698543000)]
        )
    monkeypatch.undo()
    machine.tzset()
    assert codes[0] == codes[1] == codes[2]
    assert codes[0][0] != codes[0][1]


def test_a_seed_survives_being_written_down() -> None:
    seed = totp.new_seed()
    written = totp.base32(seed)
    assert len(seed.expose()) == 20
    assert len(written.expose()) == 32
    assert b"=" not in written.expose()
    assert totp.parse_seed(written) == seed
    grouped = " ".join(written.text()[at : at + 4].lower() for at in range(0, 32, 4))
    assert totp.parse_seed(Secret.of(grouped)) == seed


@pytest.mark.parametrize("typed", ["", "A", "ABCDEFGH", "0189" * 8, "É" * 32, "A" * 105, "A" * 33])
def test_what_is_no_seed_is_refused_without_repeating_it(typed: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        totp.parse_seed(Secret.of(typed))
    assert [fault.field for fault in refused.value.fields] == ["seed"]
    assert len(typed) < 2 or typed not in str(refused.value)


@given(st.binary(max_size=80))
def test_any_bytes_may_be_typed_as_a_seed(typed: bytes) -> None:
    try:
        seed = totp.parse_seed(Secret(typed))
    except InvalidInput:
        return
    assert 16 <= len(seed.expose()) <= 64


def test_the_address_in_the_qr_code_is_what_apps_read() -> None:
    seed = Secret(RFC_SEED)
    uri = totp.provisioning_uri(seed, totp.COMMON, "nguyễn@x", "Công ty Á Châu")
    parts = urlsplit(uri.text())
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Công ty Á Châu:nguyễn@x"
    assert parse_qs(parts.query) == {
        "secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"],
        "issuer": ["Công ty Á Châu"],
    }
    assert "GEZD" not in repr(uri)


def test_a_sealed_seed_opens_for_its_person_and_device_only() -> None:
    key, other = Secret(os.urandom(32)), Secret(os.urandom(32))
    seed = totp.new_seed()
    sealed = totp.seal_seed(seed, key, "lan", "phone")
    assert seed.expose() not in sealed
    assert totp.open_seed(sealed, key, "lan", "phone") == seed
    for where in [(key, "minh", "phone"), (key, "lan", "tablet"), (other, "lan", "phone")]:
        with pytest.raises(Damaged):
            totp.open_seed(sealed, *where)
    with pytest.raises(Damaged):
        totp.open_seed(sealed[:-1] + bytes([sealed[-1] ^ 1]), key, "lan", "phone")


def test_the_stored_form_of_a_seed_does_not_change() -> None:
    sealed = totp.seal_seed(Secret(RFC_SEED), Secret(bytes(32)), "lan", "phone", bytes)
    assert sealed.hex() == (
        "01000000000000000000000000ff95730978565c563e7ef4e189c7a82e45583afaa18c59185dc9714d3e80b6cf68ed13aa"
    )
