"""A whole key as one text: the plaintext backup of the transit engine, read and written.

Base64 of the JSON that Vault and OpenBao write (`policy` and `archived_keys`), so that a backup
made by either restores in the other. It holds the key in clear: whoever has it has the key.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from secvault.crypto import certificate, key_kind
from secvault.crypto.derivation import CONVERGENT_VERSION, HKDF_SHA256, HMAC_COUNTER
from secvault.crypto.key_kind import KINDS, KeyKind
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.keyring.message_count import MOST_MESSAGES
from secvault.keyring.named_key import KeyOptions
from secvault.keyring.open_key import KeyVersion, OpenKey

_TYPES = {
    0: "aes256-gcm96",
    1: "ecdsa-p256",
    2: "ed25519",
    3: "rsa-2048",
    4: "rsa-4096",
    5: "chacha20-poly1305",
    6: "ecdsa-p384",
    7: "ecdsa-p521",
    8: "aes128-gcm96",
    9: "rsa-3072",
    10: "hmac",
    11: "xchacha20-poly1305",
    12: "mldsa-44",
    13: "mldsa-65",
    14: "mldsa-87",
}
_KDFS = (HMAC_COUNTER, HKDF_SHA256)
_NUMBERS = {name: number for number, name in _TYPES.items()}
_MICRO = 1_000_000
# Our own word in an entry; the engine reads over it.
_MESSAGES = "secvault_messages"


@dataclass(frozen=True)
class RestoredKey:
    """What a backup holds. limits: columns of the key's row beside its options.

    messages: how many each version had sealed; of a backup that the engine made, nothing.
    """

    name: str
    options: KeyOptions
    versions: tuple[KeyVersion, ...]
    limits: Mapping[str, int | bool]
    messages: Mapping[int, int]


def write_backup(key: OpenKey, at: int) -> str:
    """The backup of every version that is there. at: now, in microseconds."""
    named = key.key
    entries = {
        number: {**_entry(named.convergent, each), _MESSAGES: named.messages.get(number, 0)}
        for number, each in key.versions.items()
    }
    archived = [
        entries.get(number, _NOTHING)
        for number in range(named.min_available_version, named.latest_version + 1)
    ]
    policy = {
        "name": named.name,
        "keys": {
            str(number): entry
            for number, entry in entries.items()
            if number >= named.min_decryption_version
        },
        "derived": named.derived,
        "kdf": _KDFS.index(named.kdf) if named.derived else 0,
        "convergent_encryption": named.convergent,
        "exportable": named.exportable,
        "min_decryption_version": named.min_decryption_version,
        "min_encryption_version": named.min_encryption_version,
        "latest_version": named.latest_version,
        "archive_version": named.latest_version,
        "archive_min_version": named.min_available_version,
        "min_available_version": named.min_available_version,
        "deletion_allowed": named.deletion_allowed,
        "convergent_version": -1 if named.convergent else 0,
        "type": _NUMBERS[named.kind],
        "backup_info": {"time": rfc3339(at), "version": named.latest_version},
        "restore_info": None,
        "allow_plaintext_backup": named.allow_plaintext_backup,
        "version_template": "",
        "storage_prefix": "",
        "auto_rotate_period": named.auto_rotate_seconds * 1_000_000_000,
        "Imported": named.imported,
        "AllowImportedKeyRotation": named.allow_rotation and named.imported,
        "soft_deleted": named.soft_deleted,
        **({"key_size": named.key_size} if named.key_size else {}),
    }
    document = {"policy": policy, "archived_keys": {"keys": archived}}
    return base64.b64encode(json.dumps(document).encode()).decode()


def read_backup(text: str) -> RestoredKey:
    """What `write_backup` or the engine wrote. Raises InvalidInput for anything else."""
    try:
        document = json.loads(base64.b64decode(text, validate=True))
        return _restored(document["policy"], document["archived_keys"]["keys"])
    except (binascii.Error, UnicodeDecodeError, json.JSONDecodeError):
        raise InvalidInput.at("backup", "is not a key backup in base64") from None
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        raise InvalidInput.at("backup", "is not a whole key backup") from None


def rfc3339(micros: int) -> str:
    """A moment as the engine writes it."""
    return datetime.fromtimestamp(micros / _MICRO, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_NOTHING: dict[str, Any] = {
    "key": None,
    "hmac_key": None,
    "time": "0001-01-01T00:00:00Z",
    "ec_x": None,
    "ec_y": None,
    "ec_d": None,
    "rsa_key": None,
    "rsa_public_key": None,
    "public_key": "",
    "convergent_version": 0,
    "creation_time": 0,
    "certificate_chain": None,
    "external_key_ref": "",
}


def _entry(convergent: bool, version: KeyVersion) -> dict[str, Any]:  # noqa: FBT001 - one caller
    return {
        **_NOTHING,
        **_material(version),
        "hmac_key": _encoded(version.hmac_key.expose()),
        "time": rfc3339(version.created_at),
        "creation_time": version.created_at // _MICRO,
        "convergent_version": CONVERGENT_VERSION if convergent else 0,
        "public_key": (version.public_text or "") if version.kind.family != "rsa" else "",
        "certificate_chain": _certificates(version),
    }


def _certificates(version: KeyVersion) -> list[str] | None:
    if version.certificate_chain is None:
        return None
    return [_encoded(each) for each in certificate.split_chain(version.certificate_chain)]


def _material(version: KeyVersion) -> dict[str, Any]:
    if not version.kind.signs or version.kind.family == "mldsa":
        return {"key": _encoded(version.secret().expose())}
    if version.material is None:
        raise InvalidInput("the key has no private part: only its public half was imported")
    private = version.private
    if isinstance(private, ed25519.Ed25519PrivateKey):
        both = private.private_bytes_raw() + private.public_key().public_bytes_raw()
        return {"key": _encoded(both)}
    if isinstance(private, ec.EllipticCurvePrivateKey):
        numbers = private.private_numbers()
        point = numbers.public_numbers
        return {"ec_x": point.x, "ec_y": point.y, "ec_d": numbers.private_value}
    assert isinstance(private, rsa.RSAPrivateKey)  # noqa: S101 - narrows the union
    parts = private.private_numbers()
    return {
        "rsa_key": {
            "N": parts.public_numbers.n,
            "E": parts.public_numbers.e,
            "D": parts.d,
            "Primes": [parts.p, parts.q],
            "Precomputed": {
                "Dp": parts.dmp1,
                "Dq": parts.dmq1,
                "Qinv": parts.iqmp,
                "CRTValues": [],
            },
        }
    }


def _restored(policy: dict[str, Any], archived: list[dict[str, Any]]) -> RestoredKey:
    kind = KINDS[_TYPES[policy["type"]]]
    convergent = _flag(policy, "convergent_encryption")
    first, latest = _number(policy, "min_available_version"), _number(policy, "latest_version")
    if not 0 <= first <= latest or not 1 <= latest <= len(archived) + first:
        raise InvalidInput.at("backup", "its versions do not fit together")
    versions = tuple(
        _version(
            kind,
            number,
            # The engine adds to these alone what was set after the version was made.
            {**archived[number - first], **policy["keys"].get(str(number), {})},
            convergent=convergent,
        )
        for number in range(max(first, 1), latest + 1)
    )
    messages = {
        number: _number(archived[number - first], _MESSAGES)
        for number in range(max(first, 1), latest + 1)
    }
    if max(messages.values(), default=0) > MOST_MESSAGES:
        raise InvalidInput.at("backup", "its message counts are out of range")
    options = KeyOptions(
        kind=kind.name,
        derived=_flag(policy, "derived"),
        convergent=convergent,
        exportable=_flag(policy, "exportable"),
        allow_plaintext_backup=_flag(policy, "allow_plaintext_backup"),
        auto_rotate_seconds=_number(policy, "auto_rotate_period") // 1_000_000_000,
        key_size=_number(policy, "key_size") if kind.family == "hmac" else 0,
        imported=_flag(policy, "Imported"),
        allow_rotation=_flag(policy, "AllowImportedKeyRotation") or not _flag(policy, "Imported"),
        kdf=_kdf(policy),
    )
    lowest, highest = max(first, 1), latest
    decryption, encryption = (
        _number(policy, "min_decryption_version"),
        _number(policy, "min_encryption_version"),
    )
    if not lowest <= decryption <= highest or encryption > highest or encryption < 0:
        raise InvalidInput.at("backup", "its minimum versions do not fit together")
    limits: dict[str, int | bool] = {
        "min_available_version": first,
        "min_decryption_version": decryption,
        "min_encryption_version": encryption,
        "deletion_allowed": _flag(policy, "deletion_allowed"),
        "soft_deleted": _flag(policy, "soft_deleted"),
    }
    return RestoredKey(str(policy["name"]), options, versions, limits, messages)


def _kdf(policy: dict[str, Any]) -> str:
    number = _number(policy, "kdf")
    if not _flag(policy, "derived"):
        return HKDF_SHA256
    if number >= len(_KDFS):
        raise InvalidInput.at("backup", "it derives in a way that is not known here")
    return _KDFS[number]


def _version(kind: KeyKind, number: int, entry: dict[str, Any], *, convergent: bool) -> KeyVersion:
    if convergent and entry["convergent_version"] != CONVERGENT_VERSION:
        raise InvalidInput.at("backup", "it is convergent in a version other than 3")
    material = _material_of(kind, entry)
    public = None
    if kind.signs:
        public = key_kind.public_text(key_kind.private_key(kind, material).public_key())
    hmac_key = material if kind.family == "hmac" else Secret(_decoded(entry["hmac_key"]))
    if len(hmac_key.expose()) < 32:
        raise InvalidInput.at("backup", "its HMAC key is too short")
    created = int(entry["creation_time"]) * _MICRO
    if not 0 <= created < 2**62:
        raise InvalidInput.at("backup", "its times are out of range")
    chain = _chain(entry.get("certificate_chain"))
    return KeyVersion(number, kind, material, hmac_key, public, created, chain)


def _chain(stored: list[str] | None) -> str | None:
    return certificate.join_chain([_decoded(each) for each in stored]) if stored else None


def _material_of(kind: KeyKind, entry: dict[str, Any]) -> Secret:
    if kind.family == "ed25519":
        both = _decoded(entry["key"])
        seed = Secret(both[:32])
        private = ed25519.Ed25519PrivateKey.from_private_bytes(seed.expose())
        if both[32:] != private.public_key().public_bytes_raw():
            raise InvalidInput.at("backup", "its Ed25519 key does not fit its public half")
        return seed
    if kind.curve is not None:
        point = ec.EllipticCurvePublicNumbers(int(entry["ec_x"]), int(entry["ec_y"]), kind.curve())
        made = ec.EllipticCurvePrivateNumbers(int(entry["ec_d"]), point).private_key()
        return key_kind.import_private(kind, _der(made))
    if kind.family == "rsa":
        return key_kind.import_private(kind, _der(_rsa(entry["rsa_key"])))
    if kind.family == "mldsa":
        return key_kind.seed(_decoded(entry["key"]))
    return key_kind.import_private(kind, _decoded(entry["key"]))


def _rsa(stored: dict[str, Any]) -> rsa.RSAPrivateKey:
    p, q = (int(prime) for prime in stored["Primes"])
    d = int(stored["D"])
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(int(stored["E"]), int(stored["N"])),
    ).private_key()


def _der(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _flag(policy: dict[str, Any], name: str) -> bool:
    value = policy.get(name, False)
    if not isinstance(value, bool):
        raise InvalidInput.at("backup", f"its {name} is not a flag")
    return value


def _number(policy: dict[str, Any], name: str) -> int:
    value = policy.get(name, 0)
    if type(value) is not int or not -1 < value < 2**62:
        raise InvalidInput.at("backup", f"its {name} is out of range")
    return value
