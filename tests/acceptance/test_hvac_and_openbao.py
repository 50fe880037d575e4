"""The unmodified Vault client, and keys that move between secvault and a real OpenBao."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterator
from typing import Any

import hvac
import hvac.exceptions
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding

from tests.acceptance.installation import NO_SIGN_INS, new_installation, system_token
from tests.conftest import OpenBao

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

SALARY = base64.b64encode("lương tháng 11: 31.500.000 đ".encode()).decode()
PLACE = base64.b64encode(b"payroll/nv-0042/gross_salary").decode()
ELSEWHERE = base64.b64encode(b"payroll/nv-0043/gross_salary").decode()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[hvac.Client]:
    """hvac as a calling system has it that encrypts and may move keys, on a running service."""
    installation = new_installation(tmp_path_factory.mktemp("vault"), **NO_SIGN_INS)
    with installation.opened() as service:
        token = system_token(service, "sync", "it", "role:it.cryptor", "role:it.key_custodian")
    with installation.serving():
        yield hvac.Client(installation.address, token, timeout=120)


@pytest.fixture(scope="module")
def bao(openbao: OpenBao) -> hvac.Client:
    """The same client on a real OpenBao."""
    return hvac.Client(openbao.addr, openbao.token, timeout=120)


@pytest.fixture
def key() -> str:
    """A key's name of this test's own."""
    return f"key-{secrets.token_hex(4)}"


def test_hvac_finds_the_vault_open_and_itself_authenticated(client: hvac.Client) -> None:
    assert client.is_authenticated()
    assert client.sys.read_health_status(method="GET")["initialized"]
    assert not client.sys.is_sealed()
    assert client.auth.token.lookup_self()["data"]["display_name"] == "sync"


def test_hvac_makes_reads_lists_and_rotates_a_key(client: hvac.Client, key: str) -> None:
    transit = client.secrets.transit
    transit.create_key(key)
    assert transit.read_key(key)["data"]["latest_version"] == 1
    transit.rotate_key(key)
    read = transit.read_key(key)["data"]
    assert (read["latest_version"], read["type"]) == (2, "aes256-gcm96")
    assert list(read["keys"]) == ["1", "2"]
    assert key in transit.list_keys()["data"]["keys"]


def test_hvac_encrypts_decrypts_and_rewraps(client: hvac.Client, key: str) -> None:
    transit = client.secrets.transit
    transit.create_key(key)
    first = transit.encrypt_data(key, plaintext=SALARY)["data"]["ciphertext"]
    transit.rotate_key(key)
    second = transit.encrypt_data(key, plaintext=SALARY)["data"]["ciphertext"]
    moved = transit.rewrap_data(key, ciphertext=first)["data"]["ciphertext"]
    assert [one[:9] for one in (first, second, moved)] == ["vault:v1:", "vault:v2:", "vault:v2:"]
    for ciphertext in (first, second, moved):
        assert _open(client, key, ciphertext) == SALARY


def test_hvac_does_the_same_in_batches_and_each_item_has_its_own_error(
    client: hvac.Client, key: str
) -> None:
    transit = client.secrets.transit
    transit.create_key(key)
    plain = [base64.b64encode(f"nv-{n:04}".encode()).decode() for n in range(50)]
    sealed = transit.encrypt_data(key, batch_input=[{"plaintext": one} for one in plain])
    ciphertexts = [one["ciphertext"] for one in sealed["data"]["batch_results"]]
    transit.rotate_key(key)
    # hvac wants a ciphertext beside the batch; the service takes the batch.
    batch = [{"ciphertext": one} for one in ciphertexts]
    moved = transit.rewrap_data(key, ciphertext="", batch_input=batch)
    moved_texts = [one["ciphertext"] for one in moved["data"]["batch_results"]]
    assert all(one.startswith("vault:v2:") for one in moved_texts)
    opened = transit.decrypt_data(key, batch_input=[{"ciphertext": one} for one in moved_texts])
    assert [one["plaintext"] for one in opened["data"]["batch_results"]] == plain
    broken = [{"ciphertext": _flipped(moved_texts[0])}, {"ciphertext": moved_texts[1]}]
    with pytest.raises(hvac.exceptions.InvalidRequest) as refused:
        transit.decrypt_data(key, batch_input=broken)
    bad, good = refused.value.json["data"]["batch_results"]
    assert bad["error"]
    assert bad["plaintext"] == ""
    assert good["plaintext"] == plain[1]


def test_associated_data_binds_a_ciphertext_to_its_place(client: hvac.Client, key: str) -> None:
    transit = client.secrets.transit
    transit.create_key(key)
    sealed = transit.encrypt_data(key, plaintext=SALARY, associated_data=PLACE)
    ciphertext = sealed["data"]["ciphertext"]
    assert _open(client, key, ciphertext, associated_data=PLACE) == SALARY
    for wrong in ({}, {"associated_data": ELSEWHERE}):
        with pytest.raises(hvac.exceptions.InvalidRequest):
            _open(client, key, ciphertext, **wrong)


def test_a_changed_ciphertext_or_another_key_never_opens(client: hvac.Client, key: str) -> None:
    transit = client.secrets.transit
    transit.create_key(key)
    transit.create_key(f"{key}-b")
    ciphertext = transit.encrypt_data(key, plaintext=SALARY)["data"]["ciphertext"]
    with pytest.raises(hvac.exceptions.InvalidRequest):
        _open(client, key, _flipped(ciphertext))
    with pytest.raises(hvac.exceptions.InvalidRequest):
        _open(client, f"{key}-b", ciphertext)


def test_a_key_that_is_not_exportable_does_not_leave(client: hvac.Client, key: str) -> None:
    client.secrets.transit.create_key(key)
    with pytest.raises((hvac.exceptions.Forbidden, hvac.exceptions.InvalidRequest)):
        client.secrets.transit.export_key(key, key_type="encryption-key")


@pytest.mark.parametrize("way", ["to OpenBao", "from OpenBao"])
@pytest.mark.parametrize("associated", [{}, {"associated_data": PLACE}], ids=["plain", "bound"])
def test_a_ciphertext_opens_on_the_other_side_once_its_key_was_moved(
    client: hvac.Client, bao: hvac.Client, key: str, way: str, associated: dict[str, str]
) -> None:
    here, there = (client, bao) if way == "to OpenBao" else (bao, client)
    here.secrets.transit.create_key(key, exportable=True)
    sealed = here.secrets.transit.encrypt_data(key, plaintext=SALARY, **associated)
    ciphertext = sealed["data"]["ciphertext"]
    _import(there, key, _exported(here, key))
    assert _open(there, key, ciphertext, **associated) == SALARY
    back = there.secrets.transit.encrypt_data(key, plaintext=SALARY, **associated)
    assert _open(here, key, back["data"]["ciphertext"], **associated) == SALARY
    with pytest.raises(hvac.exceptions.InvalidRequest):
        _open(there, key, _flipped(ciphertext), **associated)


def test_key_material_wrapped_for_another_vault_is_refused(client: hvac.Client, key: str) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=4096).public_key()
    with pytest.raises(hvac.exceptions.InvalidRequest):
        _post_import(client, key, _wrapped(os.urandom(32), stranger))


def _exported(client: hvac.Client, key: str) -> bytes:
    keys = client.secrets.transit.export_key(key, key_type="encryption-key")["data"]["keys"]
    material = base64.b64decode(keys["1"])
    assert len(material) == 32
    return material


def _import(client: hvac.Client, key: str, material: bytes) -> None:
    pem = client.read("transit/wrapping_key")["data"]["public_key"]
    public = serialization.load_pem_public_key(pem.encode())
    assert isinstance(public, rsa.RSAPublicKey)
    _post_import(client, key, _wrapped(material, public))


def _wrapped(material: bytes, public: rsa.RSAPublicKey) -> str:
    """As the transit engine's documents say: an AES key by RSA-OAEP, the target by AES-KWP."""
    ephemeral = os.urandom(32)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    wrapped = public.encrypt(ephemeral, oaep) + aes_key_wrap_with_padding(ephemeral, material)
    return base64.b64encode(wrapped).decode()


def _post_import(client: hvac.Client, key: str, wrapped: str) -> None:
    client.adapter.post(
        f"/v1/transit/keys/{key}/import",
        json={"ciphertext": wrapped, "type": "aes256-gcm96", "hash_function": "SHA256"},
    )


def _open(client: hvac.Client, key: str, ciphertext: str, **more: Any) -> str:
    opened = client.secrets.transit.decrypt_data(key, ciphertext=ciphertext, **more)
    return str(opened["data"]["plaintext"])


def _flipped(ciphertext: str) -> str:
    prefix, version, body = ciphertext.split(":")
    changed = bytearray(base64.b64decode(body))
    changed[len(changed) // 2] ^= 1
    return f"{prefix}:{version}:{base64.b64encode(changed).decode()}"
