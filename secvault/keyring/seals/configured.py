"""The seals as the settings describe them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from secvault.config import Settings
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, Sealed
from secvault.keyring.seals.aws_kms import AwsKmsSeal
from secvault.keyring.seals.file import FileSeal
from secvault.keyring.seals.passphrase import PassphraseCost, derived
from secvault.keyring.seals.pkcs11 import Pkcs11Seal
from secvault.keyring.seals.seal import KINDS, Seal
from secvault.keyring.seals.transit import TransitSeal

T = TypeVar("T")

_LONGEST_FILE = 64 * 1024


def seal_of(
    settings: Settings, kind: str, parameters: str, random: aead.Random = os.urandom
) -> Seal:
    """The seal of this kind that opens without anybody's help.

    parameters: as the store keeps them. Raises Sealed for a seal that people open, unless the
    settings name a file with the passphrase; ConfigurationError for settings that are missing.
    """
    if kind == "shares":
        raise Sealed(
            "its shares open the vault: start it with `secvault serve`, then give them with "
            "`secvault unseal`"
        )
    if kind == "passphrase":
        file = settings.seal.passphrase_file
        if file is None:
            raise Sealed(
                "its passphrase opens the vault: start it with `secvault serve`, then give it with "
                "`secvault unseal`"
            )
        return derived(passphrase_in(file), parameters, random)
    return unattended(settings, kind, random)


def unattended(settings: Settings, kind: str, random: aead.Random = os.urandom) -> Seal:
    """The seal of a kind that needs nobody: file, vault, aws-kms, pkcs11.

    Raises ConfigurationError.
    """
    seal = settings.seal
    if kind == "file":
        return FileSeal(settings.seal_key_file, random)
    if kind == "vault":
        address = _needed("vault.address", seal.vault.address)
        file = _needed("vault.token_file", seal.vault.token_file)
        it = seal.vault
        return TransitSeal(address, file, it.mount, it.key, it.namespace, it.ca_file, random)
    if kind == "aws-kms":
        key = _needed("aws_kms.key_id", seal.aws_kms.key_id)
        return AwsKmsSeal(key, seal.aws_kms.region, seal.aws_kms.endpoint, random)
    if kind == "pkcs11":
        return Pkcs11Seal(
            _needed("pkcs11.module", seal.pkcs11.module),
            _needed("pkcs11.token", seal.pkcs11.token),
            seal.pkcs11.key,
            _needed("pkcs11.pin_file", seal.pkcs11.pin_file),
            random,
        )
    raise ConfigurationError(
        f"seal.kind: there is no seal of kind {kind[:32]}; use one of {', '.join(KINDS)}"
    )


def cost_of(settings: Settings) -> PassphraseCost:
    """What a guess at a new passphrase is to cost."""
    seal = settings.seal
    return PassphraseCost(seal.passphrase_memory_mib, seal.passphrase_passes)


def passphrase_in(file: Path) -> Secret:
    """The first line of a file that only its owner can read. Raises Sealed, ConfigurationError."""
    try:
        with file.open("rb") as opened:
            others = os.fstat(opened.fileno()).st_mode & 0o077
            content = opened.read(_LONGEST_FILE)
    except OSError as error:
        raise Sealed(f"seal.passphrase_file: {file} cannot be read: {error.strerror}") from None
    if others:
        raise ConfigurationError(
            f"seal.passphrase_file: {file} can be read by others: chmod 600 {file}"
        )
    return Secret(content.partition(b"\n")[0].removesuffix(b"\r"))


def _needed(key: str, value: T | None) -> T:
    if value is None or value == "":
        raise ConfigurationError(f"seal.{key}: this kind of seal needs it; set it")
    return value
