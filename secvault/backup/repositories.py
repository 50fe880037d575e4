"""Repositories that were added while the service runs, beside those of the settings.

Their settings are those of the file, less what would let whoever adds one reach further than that:
no file of this machine is named, and a folder lies below one that the settings allow. What is
secret is sealed apart and never shown.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import Connection, delete, insert, select

from secvault.backup.repository import LocalFolder, S3Location, parse_location
from secvault.config import RepositorySettings
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, Damaged, InvalidInput, NotFound
from secvault.store import tables

SECRETS = ("secret_access_key", "prune_secret_access_key")
# They would be read with secvault's own rights.
FILES = ("secret_access_key_file", "prune_secret_access_key_file", "ca_file")


@dataclass(frozen=True)
class StoredRepository:
    """An added repository. Its settings hold its secrets; never show them."""

    name: str
    settings: RepositorySettings
    added_by: str
    added_at: int


def require_addable(settings: RepositorySettings, folders: Iterable[Path]) -> None:
    """Refuse what an added repository may not say. Raises InvalidInput naming the field.

    folders: of the settings, below which local ones may lie.
    """
    for field in FILES:
        if getattr(settings, field) is not None:
            raise InvalidInput.at(field, "only a repository of config.toml may name a file")
    for field in ("location", "keys_location"):
        location = getattr(settings, field)
        if location or field == "location":
            _require_place(field, location, tuple(folders))
    place = parse_location(settings.location)
    if isinstance(place, S3Location):
        for role in ("", "prune_"):
            key_id = getattr(settings, f"{role}access_key_id")
            secret = getattr(settings, f"{role}secret_access_key").get_secret_value()
            if bool(key_id) != bool(secret) or (not role and not key_id):
                raise InvalidInput.at(
                    f"{role}access_key_id", "give the access key's id together with its secret"
                )


def add(
    connection: Connection,
    key: Secret,
    random: aead.Random,
    repository: StoredRepository,
) -> None:
    """Keep a repository. key: seals its secrets. Raises Conflict where the name is taken."""
    secrets = {name: getattr(repository.settings, name).get_secret_value() for name in SECRETS}
    shown = repository.settings.model_dump(mode="json", exclude={*SECRETS, *FILES})
    connection.execute(
        insert(tables.stored_repository).values(
            name=repository.name,
            settings=json.dumps(shown, sort_keys=True),
            sealed_secrets=aead.seal(
                json.dumps(secrets).encode(), key, _place(repository.name), random
            ),
            added_by=repository.added_by,
            added_at=repository.added_at,
        )
    )


def find(connection: Connection, key: Secret, name: str) -> StoredRepository | None:
    """The added repository of that name, or None. Raises Damaged."""
    table = tables.stored_repository
    row = connection.execute(select(table).where(table.c.name == name)).one_or_none()
    if row is None:
        return None
    what = f"The secrets of the repository {name}"
    opened = aead.open_sealed(row.sealed_secrets, key, _place(name), what)
    try:
        secrets: Mapping[str, str] = json.loads(opened)
        settings = RepositorySettings.model_validate(
            {**json.loads(row.settings), **{one: SecretStr(secrets[one]) for one in SECRETS}}
        )
    except (ValueError, KeyError, TypeError):
        raise Damaged(f"the settings of the repository {name} cannot be read") from None
    return StoredRepository(name, settings, row.added_by, row.added_at)


def names(connection: Connection) -> tuple[str, ...]:
    """The names of all added repositories, in order."""
    table = tables.stored_repository
    return tuple(connection.execute(select(table.c.name).order_by(table.c.name)).scalars())


def remove(connection: Connection, name: str) -> None:
    """Forget where a repository lies, and its secrets; what was saved there stays, and so does its
    password here. Raises NotFound.
    """
    table = tables.stored_repository
    gone = connection.execute(delete(table).where(table.c.name == name))
    if gone.rowcount != 1:
        raise NotFound(f"there is no added repository {name!r}; those of config.toml stay in it")


def require_free(name: str, taken: Iterable[str]) -> None:
    """Raise Conflict for a name that is in use."""
    if name in taken:
        raise Conflict(f"there is a repository {name!r} already; choose another name")


def _require_place(field: str, location: str, folders: tuple[Path, ...]) -> None:
    try:
        place = parse_location(location)
    except InvalidInput as error:
        raise InvalidInput.at(field, error.fields[0].detail) from None
    if not isinstance(place, LocalFolder):
        return
    # Links are followed: one that leads out of the folder is no way out.
    real = Path(os.path.realpath(place.path))
    if not any(real.is_relative_to(os.path.realpath(folder)) for folder in folders):
        raise InvalidInput.at(
            field,
            "a folder of this machine must lie below one that backup.repository_folders names; "
            "declare it in config.toml, or use a bucket",
        )


def _place(name: str) -> bytes:
    return aead.bind("secvault/repository-secrets", name)
