"""What one side made, the other opens or verifies, once the key was moved.

By its backup; by export and import under the wrapping key; and by the export under another's key.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

from tests.conftest import OpenBao
from tests.contract.case import BOUND, CIPHERS, CONTEXT, INPUT, PLAIN, SIGNERS, options_of
from tests.contract.material import certificate_of, material_of, request_template, wrap
from tests.running_service import Front, furnish, system_token

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

Ask = Callable[[str, str, Any], Any]


@pytest.fixture(scope="module")
def sides(openbao: OpenBao, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ask]]:
    """A real OpenBao and secvault."""
    house = furnish(tmp_path_factory.mktemp("crossing"))
    with house.open() as service:
        roles = ("role:it.admin", "role:it.cryptor", "role:it.key_custodian")
        token = system_token(service, "crossing", "it", *roles)
    bao = httpx2.Client(base_url=openbao.addr, headers={"X-Vault-Token": openbao.token})
    with bao, Front().serving(house) as api:
        api.client.headers["X-Vault-Token"] = token
        yield {"secvault": _asking(api.client), "OpenBao": _asking(bao)}


@pytest.fixture(params=["to OpenBao", "from OpenBao"])
def way(request: pytest.FixtureRequest, sides: dict[str, Ask]) -> tuple[Ask, Ask]:
    """Where the key is made, and where it is moved to."""
    here, there = sides["secvault"], sides["OpenBao"]
    return (here, there) if request.param == "to OpenBao" else (there, here)


@pytest.mark.parametrize("kind", [*CIPHERS, "rsa-2048", "rsa-3072", "rsa-4096"])
def test_a_ciphertext_opens_on_the_other_side(kind: str, way: tuple[Ask, Ask]) -> None:
    more = {} if kind.startswith("rsa") else BOUND
    key = _moved(kind, way)
    for one, other in (way, way[::-1]):
        sealed = one("POST", f"encrypt/{key}", {**PLAIN, **more})["ciphertext"]
        opened = other("POST", f"decrypt/{key}", {"ciphertext": sealed, **more})
        assert opened["plaintext"] == PLAIN["plaintext"]


@pytest.mark.parametrize("kind", CIPHERS)
@pytest.mark.parametrize("convergent", [False, True], ids=["derived", "convergent"])
def test_what_is_under_a_derived_key_opens_on_the_other_side(
    kind: str, convergent: bool, way: tuple[Ask, Ask]
) -> None:
    key = _moved(kind, way, derived=True, convergent_encryption=convergent)
    made = []
    for one, other in (way, way[::-1]):
        made.append(one("POST", f"encrypt/{key}", {**PLAIN, **CONTEXT})["ciphertext"])
        opened = other("POST", f"decrypt/{key}", {"ciphertext": made[-1], **CONTEXT})
        assert opened["plaintext"] == PLAIN["plaintext"]
    assert (made[0] == made[1]) == convergent


@pytest.mark.parametrize("kind", [*SIGNERS[:5], "rsa-3072"])
def test_a_signature_is_good_on_the_other_side(kind: str, way: tuple[Ask, Ask]) -> None:
    key = _moved(kind, way)
    manners = [{}, {"marshaling_algorithm": "jws"}, {"hash_algorithm": "sha2-512"}]
    if kind.startswith("rsa"):
        manners += [{"signature_algorithm": "pkcs1v15"}, {"salt_length": "hash"}]
    for one, other in (way, way[::-1]):
        for manner in manners:
            made = one("POST", f"sign/{key}", {**INPUT, **manner})["signature"]
            check = {"signature": made, **manner}
            assert other("POST", f"verify/{key}", {**INPUT, **check})["valid"] is True
            wrong = {"input": base64.b64encode(b"other").decode(), **check}
            assert other("POST", f"verify/{key}", wrong)["valid"] is False


def test_a_derived_ed25519_signature_is_the_same_on_both_sides(way: tuple[Ask, Ask]) -> None:
    key = _moved("ed25519", way, derived=True)
    first, second = (side("POST", f"sign/{key}", {**INPUT, **CONTEXT}) for side in way)
    assert first == second


@pytest.mark.parametrize("kind", [*CIPHERS, *SIGNERS, "hmac"])
def test_an_hmac_is_the_same_on_both_sides(kind: str, way: tuple[Ask, Ask]) -> None:
    key = _moved(kind, way)
    for algorithm in ("sha2-256", "sha2-512", "sha3-256"):
        body = {**INPUT, "algorithm": algorithm}
        first, second = (side("POST", f"hmac/{key}", body)["hmac"] for side in way)
        assert first == second


def test_a_key_with_trimmed_and_old_versions_moves_whole(way: tuple[Ask, Ask]) -> None:
    here, there = way
    key = f"x-{secrets.token_hex(5)}"
    here("POST", f"keys/{key}", {"exportable": True, "allow_plaintext_backup": True})
    for _ in range(4):
        here("POST", f"keys/{key}/rotate", {})
    old = here("POST", f"encrypt/{key}", {**PLAIN, "key_version": 3})["ciphertext"]
    here("POST", f"keys/{key}/config", {"min_encryption_version": 4, "min_decryption_version": 3})
    here("POST", f"keys/{key}/trim", {"min_available_version": 2})
    _carry(key, here, there)
    opened = there("POST", f"decrypt/{key}", {"ciphertext": old})
    assert opened["plaintext"] == PLAIN["plaintext"]
    figures = ("latest_version", "min_decryption_version", "min_available_version")
    first, second = (side("GET", f"keys/{key}", None) for side in way)
    assert [first[name] for name in figures] == [second[name] for name in figures] == [5, 3, 2]
    there("POST", f"keys/{key}/rotate", {})
    assert there("GET", f"keys/{key}", None)["latest_version"] == 6


BROUGHT = [*CIPHERS, "ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521"]
BROUGHT += ["rsa-2048", "rsa-3072", "rsa-4096", "mldsa-44", "mldsa-65", "mldsa-87", "hmac"]


@pytest.mark.parametrize("kind", BROUGHT)
def test_an_exported_key_is_imported_and_does_the_same(kind: str, way: tuple[Ask, Ask]) -> None:
    here, there = way
    key = f"x-{secrets.token_hex(5)}"
    here("POST", f"keys/{key}", {**options_of(kind), "exportable": True})
    here("POST", f"keys/{key}/rotate", {})
    for number, function in ((1, "SHA1"), (2, "SHA512")):
        body = _exported(here, there, key, kind, number, function)
        what = "import" if number == 1 else "import_version"
        there("POST", f"keys/{key}/{what}", {**body, "type": kind, "exportable": True})
    assert _does_the_same(kind, key, way)


@pytest.mark.parametrize("kind", [kind for kind in BROUGHT if kind not in ("rsa-3072", "rsa-4096")])
def test_a_key_exported_for_the_other_side_is_imported_and_does_the_same(
    kind: str, way: tuple[Ask, Ask]
) -> None:
    here, there = way
    key = f"x-{secrets.token_hex(5)}"
    wrapping = there("GET", "wrapping_key", None)["public_key"]
    for side in way:
        side("POST", f"keys/{key}-w/import", {"type": "rsa-4096", "public_key": wrapping})
    here("POST", f"keys/{key}", {**options_of(kind), "exportable": True})
    here("POST", f"keys/{key}/rotate", {})
    for number, function in ((1, "SHA224"), (2, "SHA384")):
        path = f"byok-export/{key}-w/{key}/{number}?hash={function}"
        text = here("GET", path, None)["keys"][str(number)]
        body = {"ciphertext": text, "hash_function": function, "type": kind}
        what = "import" if number == 1 else "import_version"
        there("POST", f"keys/{key}/{what}", body)
    assert _does_the_same(kind, key, way)


# OpenBao does not open what it sealed with an imported, derived key of AES-128.
@pytest.mark.parametrize("kind", CIPHERS[1:])
@pytest.mark.parametrize("moved", ["imported", "from a backup"])
def test_an_imported_derived_key_derives_the_same_on_both_sides(
    kind: str, moved: str, way: tuple[Ask, Ask]
) -> None:
    key = f"x-{secrets.token_hex(5)}"
    material = secrets.token_bytes(16 if kind.startswith("aes128") else 32)
    options = {"type": kind, "derived": True, "exportable": True, "allow_plaintext_backup": True}
    for side in way if moved == "imported" else way[:1]:
        public = side("GET", "wrapping_key", None)["public_key"]
        body = {**options, "ciphertext": wrap(material, public, "SHA256")}
        side("POST", f"keys/{key}/import", body)
    if moved != "imported":
        _carry(key, *way)
    for one, other in (way, way[::-1]):
        sealed = one("POST", f"encrypt/{key}", {**PLAIN, **CONTEXT})["ciphertext"]
        opened = other("POST", f"decrypt/{key}", {"ciphertext": sealed, **CONTEXT})
        assert opened["plaintext"] == PLAIN["plaintext"]


@pytest.mark.parametrize("kind", CIPHERS)
def test_both_sides_agree_on_the_same_key(kind: str, way: tuple[Ask, Ask]) -> None:
    here, there = way
    key = f"x-{secrets.token_hex(5)}"
    publics = []
    for side in way:
        side("POST", f"keys/{key}-b", {"type": "ecdsa-p384"})
        publics.append(side("GET", f"export/public-key/{key}-b", None)["keys"]["1"])
    for side, peer in ((here, publics[1]), (there, publics[0])):
        body = {"peer_public_key": peer, "base_key_name": f"{key}-b", "derived_key_type": kind}
        side("POST", f"derive-key/{key}", body)
    sealed = here("POST", f"encrypt/{key}", {**PLAIN, **BOUND})["ciphertext"]
    opened = there("POST", f"decrypt/{key}", {"ciphertext": sealed, **BOUND})
    assert opened["plaintext"] == PLAIN["plaintext"]


def test_a_certificate_chain_moves_with_its_key(way: tuple[Ask, Ask]) -> None:
    here, there = way
    key = f"x-{secrets.token_hex(5)}"
    public = here("GET", "wrapping_key", None)["public_key"]
    body = {"type": "ecdsa-p256", "exportable": True, "allow_plaintext_backup": True}
    text = wrap(material_of("ecdsa-p256"), public, "SHA256")
    here("POST", f"keys/{key}/import", {**body, "ciphertext": text})
    chain = certificate_of("ecdsa-p256") + certificate_of("ecdsa-p256", 99, authority=True)
    here("POST", f"keys/{key}/set-certificate", {"certificate_chain": chain})
    _carry(key, here, there)
    for side in way:
        kept = side("GET", f"export/certificate-chain/{key}", None)["keys"]["1"]
        assert kept == chain.rstrip("\n")


def test_what_a_template_says_is_in_the_request_of_both_sides(way: tuple[Ask, Ask]) -> None:
    key = _moved("ecdsa-p256", way)
    first, second = (
        x509.load_pem_x509_csr(
            side("POST", f"keys/{key}/csr", {"csr": request_template()})["csr"].encode()
        )
        for side in way
    )
    assert first.is_signature_valid
    assert second.is_signature_valid
    assert first.tbs_certrequest_bytes == second.tbs_certrequest_bytes


def test_a_bound_data_key_opens_on_the_other_side(way: tuple[Ask, Ask]) -> None:
    key = _moved("xchacha20-poly1305", way)
    for one, other in (way, way[::-1]):
        made = one("POST", f"datakey/plaintext/{key}", BOUND)
        opened = other("POST", f"decrypt/{key}", {"ciphertext": made["ciphertext"], **BOUND})
        assert opened["plaintext"] == made["plaintext"]


# OpenBao's own server stops short when it signs with an ML-DSA key right after its restoring, so
# that the way to it is tried by import alone.
@pytest.mark.parametrize("kind", SIGNERS[5:])
def test_an_ml_dsa_key_restored_from_a_backup_of_openbao_does_the_same(
    kind: str, sides: dict[str, Ask]
) -> None:
    here, there = sides["secvault"], sides["OpenBao"]
    key = _moved(kind, (there, here))
    for one, other in ((here, there), (there, here)):
        made = one("POST", f"sign/{key}", INPUT)["signature"]
        assert other("POST", f"verify/{key}", {**INPUT, "signature": made})["valid"] is True


@pytest.mark.parametrize("kind", SIGNERS[5:])
def test_a_signature_of_a_mu_is_a_signature_of_its_message(kind: str, way: tuple[Ask, Ask]) -> None:
    key = f"x-{secrets.token_hex(5)}"
    material = material_of(kind)
    for side in way:
        wrapping = side("GET", "wrapping_key", None)["public_key"]
        body = {"type": kind, "ciphertext": wrap(material, wrapping, "SHA256")}
        side("POST", f"keys/{key}/import", body)
    public = base64.b64decode(way[0]("GET", f"export/public-key/{key}", None)["keys"]["1"])
    message = base64.b64decode(INPUT["input"])
    mu = hashlib.shake_256(hashlib.shake_256(public).digest(64) + bytes(2) + message).digest(64)
    body = {"input": base64.b64encode(mu).decode(), "prehashed": True}
    for one, other in (way, way[::-1]):
        made = one("POST", f"sign/{key}", {**body, "hash_algorithm": "mldsa-mu"})["signature"]
        assert other("POST", f"verify/{key}", {**INPUT, "signature": made})["valid"] is True


def test_a_bare_hash_is_signed_alike(way: tuple[Ask, Ask]) -> None:
    digest = {"input": base64.b64encode(secrets.token_bytes(32)).decode()}
    bare = {"prehashed": True, "hash_algorithm": "none", "signature_algorithm": "pkcs1v15"}
    for kind in ("rsa-2048", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521"):
        key = _moved(kind, way)
        for one, other in (way, way[::-1]):
            made = one("POST", f"sign/{key}", {**digest, **bare})["signature"]
            check = {**digest, **bare, "signature": made}
            assert other("POST", f"verify/{key}", check)["valid"] is True
            wrong = {"input": base64.b64encode(bytes(32)).decode()}
            assert other("POST", f"verify/{key}", {**check, **wrong})["valid"] is False


def _exported(
    here: Ask, there: Ask, key: str, kind: str, number: int, function: str
) -> dict[str, str]:
    """One version, exported on one side and wrapped for the other."""
    what = "signing-key" if kind in SIGNERS or kind.startswith("rsa") else "encryption-key"
    what = "hmac-key" if kind == "hmac" else what
    text = here("GET", f"export/{what}/{key}/{number}", None)["keys"][str(number)]
    public = there("GET", "wrapping_key", None)["public_key"]
    return {"ciphertext": wrap(_material(kind, text), public, function), "hash_function": function}


def _material(kind: str, text: str) -> bytes:
    """What `import` takes, from what `export` gives."""
    seeded: dict[str, Callable[[bytes], Any]] = {
        "ed25519": lambda both: ed25519.Ed25519PrivateKey.from_private_bytes(both[:32]),
        "mldsa-44": mldsa.MLDSA44PrivateKey.from_seed_bytes,
        "mldsa-65": mldsa.MLDSA65PrivateKey.from_seed_bytes,
        "mldsa-87": mldsa.MLDSA87PrivateKey.from_seed_bytes,
    }
    if text.startswith("-----"):
        private: Any = serialization.load_pem_private_key(text.encode(), None)
    elif kind in seeded:
        private = seeded[kind](base64.b64decode(text))
    else:
        return base64.b64decode(text)
    der: bytes = private.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return der


def _does_the_same(kind: str, key: str, way: tuple[Ask, Ask]) -> bool:
    """Whether what either side makes with either version is good on the other."""
    for one, other in (way, way[::-1]):
        for number in (1, 2):
            version = {"key_version": number}
            if kind in CIPHERS or kind.startswith("rsa"):
                made = one("POST", f"encrypt/{key}", {**PLAIN, **version})["ciphertext"]
                opened = other("POST", f"decrypt/{key}", {"ciphertext": made})
                assert opened["plaintext"] == PLAIN["plaintext"]
            if kind in SIGNERS or kind.startswith("rsa"):
                made = one("POST", f"sign/{key}", {**INPUT, **version})["signature"]
                check = other("POST", f"verify/{key}", {**INPUT, "signature": made})
                assert check["valid"] is True
            if kind == "hmac":
                made = one("POST", f"hmac/{key}", {**INPUT, **version})["hmac"]
                assert other("POST", f"verify/{key}", {**INPUT, "hmac": made})["valid"] is True
    return True


def _moved(kind: str, way: tuple[Ask, Ask], **options: Any) -> str:
    key = f"x-{secrets.token_hex(5)}"
    chosen = {**options_of(kind), **options, "exportable": True, "allow_plaintext_backup": True}
    way[0]("POST", f"keys/{key}", chosen)
    _carry(key, *way)
    return key


def _carry(key: str, here: Ask, there: Ask) -> None:
    backup = here("GET", f"backup/{key}", None)["backup"]
    there("POST", f"restore/{key}", {"backup": backup})


def _asking(client: Any) -> Ask:
    def ask(method: str, path: str, body: Any) -> Any:
        answer = client.request(method, f"/v1/transit/{path}", json=body)
        assert answer.is_success, (method, path, answer.text)
        return answer.json()["data"] if answer.content else None

    return ask
