"""The files and folders of secvault itself, and those that its settings read secrets from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel

from secvault.config import Settings
from secvault.store import Store

_OPEN = frozenset({"ca_file", "certificate_file"})


def closed_places(settings: Settings, store: Store) -> tuple[Path, ...]:
    """What no plan may save: what secvault has for itself, and what opens its seal."""
    data, seal = settings.data_folder, settings.seal
    backups = data.with_name(f"{data.name}-backups")
    database = store.writer.url.database if store.dialect == "sqlite" else None
    files = (seal.passphrase_file, seal.vault.token_file, seal.pkcs11.pin_file, database)
    others = tuple(Path(file).absolute() for file in files if file)
    return (data, settings.seal_key_file, backups, *others)


def secret_files(settings: Settings, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The file of the settings, and every file that they name for the secret in it."""
    named = environment.get("SECVAULT_CONFIG")
    found = {*_named(settings), *((Path(named),) if named else ())}
    return tuple(sorted(path.absolute() for path in found))


def _named(value: object, key: str = "") -> Iterator[Path]:
    # By the names that such settings have; what others may read anyhow is none of them.
    if isinstance(value, Path):
        if key == "tls_key" or (
            key.endswith("_file") and key not in {"ca_file", "certificate_file"}
        ):
            yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _named(getattr(value, name), name)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _named(one)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _named(one)
