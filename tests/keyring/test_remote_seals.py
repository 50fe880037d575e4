"""Seals whose key lies elsewhere: a real OpenBao, an HSM in software, an emulator of AWS KMS."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import hvac
import pkcs11
import pytest
from moto.server import ThreadedMotoServer

from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, Conflict, Damaged, Sealed, SecvaultError
from secvault.keyring.seals import Seal
from secvault.keyring.seals.aws_kms import AwsKmsSeal
from secvault.keyring.seals.pkcs11 import Pkcs11Seal
from secvault.keyring.seals.seal import wrapped_by
from secvault.keyring.seals.transit import TransitSeal
from tests.conftest import Hsm, OpenBao

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

ROOT = Secret(bytes(range(32)))
POLICY = 'path "transit/encrypt/{0}" {{ capabilities = ["update"] }}\n'
BOTH = POLICY + 'path "transit/decrypt/{0}" {{ capabilities = ["update"] }}\n'

Another = Callable[[], Seal]


def private(file: Path, content: str) -> Path:
    """A file of mode 0600."""
    file.touch(mode=0o600)
    file.write_text(content)
    return file


@pytest.fixture
def bao(openbao: OpenBao) -> hvac.Client:
    return hvac.Client(url=openbao.addr, token=openbao.token)


@pytest.fixture
def transit_seal(openbao: OpenBao, bao: hvac.Client, tmp_path: Path) -> TransitSeal:
    """A seal whose token may use one key and nothing else."""
    name = f"seal-{secrets.token_hex(4)}"
    bao.secrets.transit.create_key(name)
    return TransitSeal(openbao.addr, token_for(bao, name, BOTH, tmp_path), key=name)


def token_for(bao: hvac.Client, key: str, policy: str, folder: Path, **more: Any) -> Path:
    """A file with a token of this policy."""
    name = f"policy-{secrets.token_hex(4)}"
    bao.sys.create_or_update_policy(name, policy.format(key))
    made = bao.auth.token.create(policies=[name], ttl=more.pop("ttl", "1h"), **more)
    return private(folder / f"{name}.token", made["auth"]["client_token"] + "\n")


@pytest.fixture
def hsm_seal(hsm: Hsm, tmp_path: Path) -> Pkcs11Seal:
    pin = private(tmp_path / "pin", hsm.pin + "\n")
    seal = Pkcs11Seal(hsm.module, hsm.token, f"seal-{secrets.token_hex(4)}", pin)
    seal.create()
    return seal


@pytest.fixture(scope="session")
def kms() -> Iterator[str]:
    """The address of an emulator of AWS KMS: it checks the encryption context as Amazon's does."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def kms_seal(kms: str, monkeypatch: pytest.MonkeyPatch) -> AwsKmsSeal:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-emulator")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-emulator")
    return AwsKmsSeal(new_kms_key(kms), "us-east-1", kms)


def new_kms_key(address: str) -> str:
    """A new symmetric key of the emulator."""
    client = boto3.client("kms", endpoint_url=address, region_name="us-east-1")
    return str(client.create_key()["KeyMetadata"]["KeyId"])


@pytest.fixture(params=["transit_seal", "hsm_seal", "kms_seal"])
def seal(request: pytest.FixtureRequest) -> Seal:
    made: Seal = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def another(seal: Seal, request: pytest.FixtureRequest, tmp_path: Path) -> Seal:
    """A seal of the same kind with another key."""
    if isinstance(seal, TransitSeal):
        bao: hvac.Client = request.getfixturevalue("bao")
        name = f"{seal.key}-other"
        bao.secrets.transit.create_key(name)
        return replace(seal, key=name, token_file=token_for(bao, name, BOTH, tmp_path))
    if isinstance(seal, Pkcs11Seal):
        made = replace(seal, key=f"{seal.key}-other")
        made.create()
        return made
    assert isinstance(seal, AwsKmsSeal)
    return replace(seal, key_id=new_kms_key(seal.endpoint))


def foreign(seal: Seal) -> type[SecvaultError] | tuple[type[SecvaultError], ...]:
    """What a foreign or changed root is. The emulator answers some of them as it does a missing
    right, where Amazon's own says that the ciphertext or the key is the wrong one.
    """
    return (Damaged, Sealed) if isinstance(seal, AwsKmsSeal) else Damaged


def test_what_was_wrapped_opens_again_and_for_this_vault_alone(seal: Seal) -> None:
    wrapped = seal.wrap(ROOT, "vault-1")
    assert seal.unwrap(wrapped, "vault-1") == ROOT
    assert ROOT.expose() not in wrapped
    with pytest.raises(Damaged, match="the root key does not open with"):
        seal.unwrap(wrapped, "vault-2")


def test_another_key_does_not_open_it(seal: Seal, another: Seal) -> None:
    wrapped = seal.wrap(ROOT, "vault-1")
    assert another.unwrap(another.wrap(ROOT, "vault-1"), "vault-1") == ROOT
    with pytest.raises(foreign(seal)):
        another.unwrap(wrapped, "vault-1")


def test_a_changed_or_cut_off_root_is_damage(seal: Seal) -> None:
    wrapped = seal.wrap(ROOT, "v")
    length = len(wrapped)
    for at in {0, 1, 4, 5, 9, 5 + 20, length - 61, length - 40, length - 1}:
        changed = bytearray(wrapped)
        changed[at] ^= 0x01
        with pytest.raises(foreign(seal)):
            seal.unwrap(bytes(changed), "v")
    for cut in (b"", wrapped[:1], wrapped[:5], wrapped[:20], wrapped[:-1]):
        with pytest.raises(Damaged):
            seal.unwrap(cut, "v")


def test_each_wrapping_draws_a_key_of_its_own(seal: Seal) -> None:
    drawn: list[bytes] = []

    def remembered(count: int) -> bytes:
        drawn.append(os.urandom(count))
        return drawn[-1]

    for _ in range(2):
        replace(seal, random=remembered).wrap(ROOT, "v")  # type: ignore[type-var]
    keys = [one for one in drawn if len(one) == aead.KEY_BYTES]
    assert len(set(keys)) == 2
    assert not any(key in seal.wrap(ROOT, "v") for key in keys)


def test_no_text_form_shows_a_credential(seal: Seal, openbao: OpenBao, hsm: Hsm) -> None:
    assert openbao.token not in repr(seal)
    assert hsm.pin not in repr(seal)


def test_the_server_sees_only_a_key_of_one_wrapping(
    transit_seal: TransitSeal, bao: hvac.Client
) -> None:
    wrapped = transit_seal.wrap(ROOT, "vault-1")
    length = int.from_bytes(wrapped[1:5], "big")
    ciphertext = wrapped[5 : 5 + length].decode()
    bound = base64.b64encode(aead.bind("secvault/root-key", "vault-1")).decode()
    answer = bao.write_data(
        f"transit/decrypt/{transit_seal.key}",
        data={"ciphertext": ciphertext, "associated_data": bound},
    )
    seen = base64.b64decode(answer["data"]["plaintext"])
    assert len(seen) == 32
    assert seen != ROOT.expose()


def test_a_rotated_transit_key_still_opens(transit_seal: TransitSeal, bao: hvac.Client) -> None:
    wrapped = transit_seal.wrap(ROOT, "v")
    bao.secrets.transit.rotate_key(transit_seal.key)
    assert transit_seal.unwrap(wrapped, "v") == ROOT
    assert transit_seal.unwrap(transit_seal.wrap(ROOT, "v"), "v") == ROOT


def test_a_token_that_may_only_encrypt_is_found_out_before_anything_is_lost(
    transit_seal: TransitSeal, bao: hvac.Client, tmp_path: Path
) -> None:
    half = replace(transit_seal, token_file=token_for(bao, transit_seal.key, POLICY, tmp_path))
    with pytest.raises(Sealed, match=f"403 to transit/decrypt/{transit_seal.key}"):
        wrapped_by(half, ROOT, "v")


def test_its_token_is_renewed(transit_seal: TransitSeal, bao: hvac.Client, tmp_path: Path) -> None:
    short = token_for(bao, transit_seal.key, BOTH, tmp_path, ttl="30s", period="2h")
    token = short.read_text().strip()
    bao.auth.token.renew(token, increment="30s")
    assert replace(transit_seal, token_file=short).renew() > 3600
    assert bao.auth.token.lookup(token)["data"]["ttl"] > 3600


def test_a_revoked_token_and_a_missing_key_say_what_to_look_at(
    transit_seal: TransitSeal, bao: hvac.Client
) -> None:
    wrapped = transit_seal.wrap(ROOT, "v")
    bao.auth.token.revoke(transit_seal.token_file.read_text().strip())
    with pytest.raises(Sealed, match=r"answered 403 .* is not valid there"):
        transit_seal.unwrap(wrapped, "v")
    with pytest.raises(Sealed, match="answered 403"):
        transit_seal.renew()


def test_a_server_that_is_away_is_sealed_not_damage(transit_seal: TransitSeal) -> None:
    wrapped = transit_seal.wrap(ROOT, "v")
    away = replace(transit_seal, address="http://127.0.0.1:9")
    with pytest.raises(Sealed, match=r"seal\.vault\.address: .* cannot be reached"):
        away.unwrap(wrapped, "v")


@pytest.mark.parametrize("content", ["", "\n", "a b\x00c", "ừ"])
def test_a_token_file_without_a_token_is_a_wrong_setting(tmp_path: Path, content: str) -> None:
    seal = TransitSeal("http://127.0.0.1:9", private(tmp_path / "token", content))
    with pytest.raises(ConfigurationError, match="holds no token"):
        seal.wrap(ROOT, "v")


def test_credentials_that_others_can_read_are_refused(tmp_path: Path, hsm_seal: Pkcs11Seal) -> None:
    file = private(tmp_path / "open", "secret")
    file.chmod(0o640)
    with pytest.raises(ConfigurationError, match="can be read by others: chmod 600"):
        TransitSeal("http://127.0.0.1:9", file).wrap(ROOT, "v")
    with pytest.raises(ConfigurationError, match="can be read by others: chmod 600"):
        replace(hsm_seal, pin_file=file).wrap(ROOT, "v")
    with pytest.raises(Sealed, match="cannot be read"):
        replace(hsm_seal, pin_file=tmp_path / "nothing").wrap(ROOT, "v")


def test_the_hsm_says_what_is_wrong(hsm_seal: Pkcs11Seal, tmp_path: Path) -> None:
    with pytest.raises(Sealed, match=r"the PIN in .* is wrong"):
        replace(hsm_seal, pin_file=private(tmp_path / "wrong", "0000wrong")).wrap(ROOT, "v")
    with pytest.raises(Sealed, match="has no secret key nothing"):
        replace(hsm_seal, key="nothing").wrap(ROOT, "v")
    with pytest.raises(Sealed, match="there is no token nobody"):
        replace(hsm_seal, token="nobody").wrap(ROOT, "v")
    with pytest.raises(ConfigurationError, match="there is no file"):
        replace(hsm_seal, module=tmp_path / "none.so").wrap(ROOT, "v")
    with pytest.raises(ConfigurationError, match="is not a PKCS#11 library"):
        replace(hsm_seal, module=private(tmp_path / "text.so", "text")).wrap(ROOT, "v")
    with pytest.raises(Conflict, match="has a key"):
        hsm_seal.create()


def test_the_key_in_the_hsm_cannot_be_taken_out(hsm_seal: Pkcs11Seal, hsm: Hsm) -> None:
    token = pkcs11.lib(str(hsm.module)).get_token(token_label=hsm.token)
    with token.open(user_pin=hsm.pin) as session:
        key = session.get_key(object_class=pkcs11.ObjectClass.SECRET_KEY, label=hsm_seal.key)
        assert key[pkcs11.Attribute.EXTRACTABLE] is False
        assert key[pkcs11.Attribute.SENSITIVE] is True
        with pytest.raises(pkcs11.exceptions.PKCS11Error):
            key[pkcs11.Attribute.VALUE]


def test_kms_says_what_to_look_at(kms_seal: AwsKmsSeal) -> None:
    with pytest.raises(Sealed, match="NotFoundException for the key"):
        replace(kms_seal, key_id="00000000-0000-0000-0000-000000000000").wrap(ROOT, "v")
    with pytest.raises(Sealed, match="KMS cannot be asked"):
        replace(kms_seal, endpoint="http://127.0.0.1:9").wrap(ROOT, "v")


def test_the_form_of_a_remotely_wrapped_root_is_as_documented(kms_seal: AwsKmsSeal) -> None:
    wrapped = kms_seal.wrap(ROOT, "v")
    length = int.from_bytes(wrapped[1:5], "big")
    assert wrapped[0] == 2
    envelope = wrapped[5 + length :]
    assert envelope[0] == 1
    assert len(envelope) == 1 + 12 + 32 + 16
